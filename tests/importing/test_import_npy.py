"""Test the import of NumPy arrays of vectors, and of their truth files."""

import contextlib
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import checked, read, rules, split, write, write_npy

from labeling.intake.readers import Limits, UnreadableFile, open_source
from tests.extent import examples

VECTORS = np.arange(12, dtype=np.float64).reshape(4, 3)


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i1", "u8", "f4-fortran"])
def test_rows_become_float32_vectors(tmp_path, dtype):
    array = np.asfortranarray(VECTORS, "f4") if dtype == "f4-fortran" else VECTORS.astype(dtype)
    drafts = checked(write_npy(tmp_path / "a.npy", array), rules("vector"))
    assert all(draft.vector.dtype == np.float32 for draft in drafts)
    assert np.array_equal([draft.vector for draft in drafts], VECTORS)
    assert [draft.external_id for draft in drafts] == [f"a.npy:{n}" for n in (1, 2, 3, 4)]


def test_nan_infinity_and_what_float32_cannot_hold_are_set_aside(tmp_path):
    array = VECTORS.copy()
    array[0, 1], array[1, 2], array[2, 0] = np.nan, -np.inf, 1e200
    good, bad = split(checked(write_npy(tmp_path / "a.npy", array), rules("vector")))
    assert len(good) == 1
    assert [(row.where, row.reason) for row in bad] == [
        ("row 1", "Number 2 of the vector is NaN."),
        ("row 2", "Number 3 of the vector is infinite or too large."),
        ("row 3", "Number 1 of the vector is infinite or too large."),
    ]


TRUTHS = ["cat", "dog", "", "great auk"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.txt", "cat\ndog\n\ngreat auk"),
        ("t.txt", "cat\r\ndog\r\n\r\ngreat auk\r\n"),
        ("t.csv", 'whatever\ncat\ndog\n""\ngreat auk\n'),
        ("t.csv", "id,truth,note\na,cat,x\nb,dog,x\nc,,x\nd,great auk,x\n"),
    ],
)
def test_the_truth_comes_from_a_second_file(tmp_path, name, content):
    path, truth = write_npy(tmp_path / "a.npy", VECTORS), write(tmp_path / name, content)
    drafts = checked(path, rules("vector"), truth_path=truth)
    assert [draft.truth for draft in drafts] == ["cat", "dog", None, "great auk"]


def test_the_truth_may_be_an_array_of_text_or_of_numbers_where_classes_are_called_so(tmp_path):
    path = write_npy(tmp_path / "a.npy", VECTORS)
    for array in (np.array(TRUTHS), np.array([t.encode() for t in TRUTHS])):
        truth = write_npy(tmp_path / "t.npy", array)
        assert [d.truth for d in checked(path, rules("vector"), truth_path=truth)] == ["cat", "dog", None, "great auk"]
    truth = write_npy(tmp_path / "t.npy", [0, 1, 1, 7])
    good, bad = split(checked(path, replace(rules("vector"), classes=("0", "1")), truth_path=truth))
    assert [draft.truth for draft in good] == ["0", "1", "1"]
    assert bad[0].reason == 'Truth "7" is not a class of this project (0, 1).'
    truth = write(tmp_path / "t.txt", b"cat\nd\xffg\ncow\ndog\n")
    good, bad = split(checked(path, rules("vector"), truth_path=truth))
    assert [draft.truth for draft in good] == ["cat", "dog"]
    assert bad[0].reason.startswith("In the truth file, line 2: the line is not UTF-8")
    assert bad[1].reason.startswith('Truth "cow" is not a class of this project')


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("t.txt", "cat\ndog\n", r"t\.txt: there are 2 rows, but a\.npy has 4"),
        ("t.csv", "cat\ndog\ncat\ndog\n", "there are 3 rows"),
        ("t.csv", "a,b\n1,2\n1,2\n1,2\n1,2\n", 'no column is called "truth"'),
        ("t.txt", "", "is empty"),
        ("t.json", "[1,2,3,4]", r"read from a \.npy, \.csv or \.txt"),
        ("t.npy", "junk", "not an array of plain numbers"),
    ],
)
def test_a_truth_file_that_does_not_fit_is_refused(tmp_path, name, content, complaint):
    with pytest.raises(UnreadableFile, match=complaint):
        read(write_npy(tmp_path / "a.npy", VECTORS), "vector", truth_path=write(tmp_path / name, content))


def test_a_truth_file_goes_with_vectors_only(tmp_path):
    with pytest.raises(UnreadableFile, match=r"\.npy only"):
        read(write(tmp_path / "a.csv", "text\na\n"), "text", truth_path=write(tmp_path / "t.txt", "cat"))


NO_VECTORS = [np.zeros(3), np.zeros((2, 2, 2)), np.array([["a", "b"]]), np.zeros((2, 2), complex), np.zeros((0, 3)),
              np.zeros((3, 0)), np.zeros((2, 2), "M8[s]"), np.zeros(2, [("a", "f4")]), np.zeros((1, 100))]  # fmt: skip


@pytest.mark.parametrize("array", NO_VECTORS, ids=range(len(NO_VECTORS)))
def test_arrays_that_hold_no_vectors_are_refused(tmp_path, array):
    with pytest.raises(UnreadableFile):
        read(write_npy(tmp_path / "a.npy", array), "vector", limits=Limits(vector_length=64))


def test_pickles_are_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    np.save(tmp_path / "a.npy", np.array([[Bomb()]], dtype=object), allow_pickle=True)
    write(tmp_path / "b.npy", pickle.dumps(Bomb()))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(UnreadableFile):
            read(tmp_path / name, "vector")


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    content = write_npy(tmp_path / "a.npy", VECTORS).read_bytes()
    for length in (1, 8, 9, 50, 127, 128, len(content) - 1):
        with pytest.raises(UnreadableFile):
            read(write(tmp_path / "b.npy", content[:length]), "vector")


@given(header=st.binary(max_size=80), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=examples(200), deadline=None)
def test_damaged_headers_are_refused_or_read_but_nothing_else_happens(tmp_path_factory, header, seed):
    folder = tmp_path_factory.mktemp("npy")
    content = bytearray(write_npy(folder / "a.npy", VECTORS).read_bytes())
    at = np.random.default_rng(seed).integers(6, 100)
    content[at : at + len(header)] = header
    with contextlib.suppress(UnreadableFile):
        read(write(folder / "a.npy", bytes(content)), "vector")


def test_long_arrays_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.intake.readers.npy_file._BLOCK", 100)
    array = np.random.default_rng(0).normal(size=(50, 3))
    with open_source(write_npy(tmp_path / "a.npy", array), kind="vector") as source:
        assert source.total == 50
        rows = [record.fields["vector"] for record in source.records(7)]
        assert source.position() == 1
    assert np.array_equal(rows, array[7:])
