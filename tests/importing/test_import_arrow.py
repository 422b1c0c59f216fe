"""Test the import of Arrow and Feather files, as pyarrow, polars, pandas and Hugging Face's datasets write them."""

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from import_files import checked, picture, rules, split, write_arrow, write_zip
from pyarrow import feather

from labeling.intake.readers import UnreadableFile, open_source

TEXTS = {"text": ["one", "two", "three"], "label": ["cat", None, "dog"], "tags": [["a"], [], ["b", "c"]]}


def write_file(path):
    write_arrow(path, TEXTS)


def write_stream(path):
    with pa.ipc.new_stream(path, pa.table(TEXTS).schema) as file:
        file.write_table(pa.table(TEXTS))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.arrow", write_file),
        ("a.arrow", write_stream),
        ("a.feather", lambda path: feather.write_feather(pa.table(TEXTS), str(path))),
        ("a.feather", lambda path: pd.DataFrame(TEXTS).to_feather(path)),
        ("a.arrow", lambda path: pl.DataFrame(TEXTS).write_ipc(path, compression="zstd")),  # with views of texts
        ("a.ipc", pl.DataFrame(TEXTS).write_ipc_stream),
    ],
)
def test_each_library_s_file_is_read(tmp_path, name, write):
    write(tmp_path / name)
    drafts = checked(tmp_path / name, rules("text"))
    assert [(draft.data["text"], draft.labels and draft.labels.label) for draft in drafts] == [
        ("one", "cat"),
        ("two", None),
        ("three", "dog"),
    ]
    assert drafts[2].data["tags"] == ["b", "c"]


@pytest.mark.parametrize("write", [pl.DataFrame.write_ipc, pl.DataFrame.write_ipc_stream])
def test_the_categories_of_polars_are_texts(tmp_path, write):
    names = pl.Enum(["dog", "cat"])
    frame = pl.DataFrame(
        {
            "text": pl.Series(["one", "two", "three"], dtype=pl.Categorical),
            "label": pl.Series(["cat", None, "dog"], dtype=names),
            "tags": pl.Series([["cat"], None, ["dog", None]], dtype=pl.List(names)),
            "pair": pl.Series([["cat", "dog"], None, ["dog", "dog"]], dtype=pl.Array(pl.Categorical, 2)),
            "about": pl.Series([{"kind": "cat"}, None, {"kind": None}], dtype=pl.Struct({"kind": names})),
        }
    )
    write(frame, tmp_path / "a.arrow")
    drafts = checked(tmp_path / "a.arrow", rules("text"))
    assert [draft.labels and draft.labels.label for draft in drafts] == ["cat", None, "dog"]
    assert [draft.data for draft in drafts] == [
        {"text": "one", "tags": ["cat"], "pair": ["cat", "dog"], "about": {"kind": "cat"}},
        {"text": "two", "tags": None, "pair": None, "about": frame["about"][1]},
        {"text": "three", "tags": ["dog", None], "pair": ["dog", "dog"], "about": {"kind": None}},
    ]


def test_a_dataset_saved_to_disk_comes_in_with_its_classes_and_images(tmp_path):
    image = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["dog", "cat"]))
    rows = {"image": [{"bytes": picture(), "path": None}] * 3, "label": [1, 0, 1]}
    whole = datasets.Dataset.from_dict(rows, features=image)
    parts = datasets.DatasetDict(train=whole, test=whole.select([0]))
    parts.save_to_disk(tmp_path / "saved", num_shards={"train": 2, "test": 1})
    loaded = datasets.load_from_disk(tmp_path / "saved")["train"]
    loaded.filter(lambda row: row["label"] == 0)  # is cached beside the rows
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert any("cache-" in name for name in files)
    for path in (tmp_path / "saved", write_zip(tmp_path / "a.zip", files)):
        good, bad = split(checked(path, rules("image")))
        assert not bad
        assert sorted(draft.labels.label for draft in good) == ["cat", "cat", "cat", "dog"]


def test_reading_goes_on_behind_a_row_and_leaves_no_copy(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_file(tmp_path / "a.arrow")
    with open_source(tmp_path / "a.arrow", kind="text") as source:
        assert source.total == 3
        assert [record.fields["text"] for record in source.records(skip=2)] == ["three"]
        assert [*tmp_path.glob("arrow-*")]
    assert not [*tmp_path.glob("arrow-*")]


def damaged(path):
    """Point a text of the file beyond its buffer."""
    write_file(path)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"onetwo") - 64
    offsets = raw.index(b"\0\0\0\0\x03\0\0\0\x06\0\0\0", max(0, at - 128))
    raw[offsets + 4 : offsets + 8] = b"\xff\xff\xff\x7f"
    path.write_bytes(raw)


def cut_short(path):
    write_file(path)
    path.write_bytes(path.read_bytes()[:-30])


def bomb(path):
    zeros = pa.table({"text": pa.array(["x" * 1000]).take(pa.array([0] * 300_000))})
    feather.write_feather(zeros, str(path), compression="zstd", compression_level=19)


def union(path):
    column = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array(["a"])])
    with pa.ipc.new_file(path, pa.schema([("text", column.type)])) as file:
        file.write_batch(pa.record_batch([column], names=["text"]))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (damaged, "damaged, cut short or too large: write it again"),
        (cut_short, "damaged, cut short or too large: write it again"),
        (bomb, "damaged, cut short or too large: write it again"),
        (lambda path: path.write_bytes(b"\xff\xff\xff\xff" + b"\x10\0\0\0" * 40), "is not an Arrow file"),
        (lambda path: path.write_bytes(b"FEA1" + bytes(60) + b"FEA1"), "Feather's version 1"),
        (union, "a column has a type that is not read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, write, reason):
    write(tmp_path / "a.arrow")
    with pytest.raises(UnreadableFile, match=reason) as refused:
        open_source(tmp_path / "a.arrow", kind="text")
    assert str(refused.value).startswith("a.arrow: ")
    assert "\n" not in str(refused.value)
