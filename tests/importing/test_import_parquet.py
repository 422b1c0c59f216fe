"""Test the import of Parquet files."""

import datetime as dt
import decimal
import subprocess
import sys

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from import_files import checked, picture, read, rules, split, write, write_parquet

from labeling.intake.checking import check_record
from labeling.intake.readers import Limits, UnreadableFile, open_source, parquet_facts
from labeling.intake.readers.base import MIB
from labeling.intake.readers.parquet_facts import rows_at_once
from tests.extent import some


def test_columns_become_an_item_that_json_can_hold(tmp_path):
    path = write_parquet(
        tmp_path / "a.parquet",
        {
            "id": [1, 2],
            "text": ["one", "two"],
            "truth": ["cat", None],
            "score": [float("nan"), 1.5],
            "day": [dt.date(2024, 5, 1), None],
            "price": [decimal.Decimal("1.50"), None],
            "blob": [b"abc", None],
            "more": [{"a": [1, 2]}, None],
            "tags": [["x", "y"], None],
            "map": pa.array([[("k", "v")], []], pa.map_(pa.string(), pa.string())),
            "numbers": [[1.0, float("inf")], []],
        },
    )
    first, second = checked(path, rules("text"))
    assert (first.external_id, first.truth) == ("1", "cat")
    assert first.data == {
        "text": "one",
        "score": None,
        "day": "2024-05-01",
        "price": "1.50",
        "blob": "<3 bytes>",
        "more": {"a": [1, 2]},
        "tags": ["x", "y"],
        "map": [{"key": "k", "value": "v"}],
        "numbers": [1.0, None],
    }
    assert second.truth is None
    orjson.dumps([first.data, second.data])


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 2), pa.large_list(pa.int16())])
def test_vectors_come_as_any_list_of_numbers(tmp_path, kind):
    column = pa.array([[1, 2], [3, 4], None], kind)
    good, bad = split(checked(write_parquet(tmp_path / "a.parquet", {"vector": column}), rules("vector")))
    assert [draft.vector.tolist() for draft in good] == [[1, 2], [3, 4]]
    assert good[0].vector.dtype == np.float32
    assert [row.where for row in bad] == ["row 3"]


def test_nan_and_null_within_a_vector_are_set_aside(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"vector": [[1.0, None], [float("nan"), 1.0], [1.0, 2.0], [1.0]]})
    results = checked(path, rules("vector", vector_length=2))
    assert [r.reason for r in results if hasattr(r, "reason")] == [
        "Number 2 of the vector is NaN.",
        "Number 1 of the vector is NaN.",
        "The vector has 1 numbers where this project's have 2.",
    ]


def test_numeric_columns_are_the_vector(tmp_path):
    columns = {"id": [1, 2], "x": [1, 2], "name": ["a", "b"], "y": [0.5, None], "label": ["cat", "dog"]}
    first, second = checked(write_parquet(tmp_path / "a.parquet", columns), rules("vector"))
    assert first.vector.tolist() == [1, 0.5]
    assert first.data == {"x": 1, "y": 0.5, "name": "a"}
    assert second.reason == 'Column "y" is empty.'


def test_hugging_face_images_and_class_names(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}
    table = pa.table(
        {
            "image": [{"bytes": picture(), "path": "a.png"}, {"bytes": picture("GIF"), "path": None}, None],
            "label": [1, -1, 0],
        }
    ).replace_schema_metadata({"huggingface": orjson.dumps({"info": {"features": features}})})
    pq.write_table(table, tmp_path / "a.parquet")
    good, bad = split(checked(tmp_path / "a.parquet", rules("image")))
    assert [(draft.labels and draft.labels.label, draft.suffix, draft.data) for draft in good] == [
        ("cat", ".png", {}),
        (None, ".gif", {}),
    ]
    assert bad[0].where == "row 3"


@pytest.mark.parametrize("note", [b"[]", b"{", b'{"info": {"features": {"label": null}}}', b'{"info": 1}'])
def test_notes_of_hugging_face_that_make_no_sense_are_ignored(tmp_path, note):
    table = pa.table({"text": ["a"], "label": ["cat"]}).replace_schema_metadata({"huggingface": note})
    pq.write_table(table, tmp_path / "a.parquet")
    assert checked(tmp_path / "a.parquet", rules("text"))[0].labels.label == "cat"


def test_text_that_is_not_utf8_costs_its_row_only(tmp_path):
    raw = pa.array([b"one", b"caf\xe9", b"three"], pa.binary())
    table = pa.table({"text": pa.Array.from_buffers(pa.string(), 3, raw.buffers())})
    pq.write_table(table, tmp_path / "a.parquet")
    good, bad = split(checked(tmp_path / "a.parquet", rules("text")))
    assert [draft.data["text"] for draft in good] == ["one", "three"]
    assert bad[0].reason == 'Column "text" cannot be read: it is not UTF-8.'


def test_text_that_is_too_long_or_holds_nul_is_set_aside(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"text": ["a", "x" * 2000, "b\0"]})
    good, bad = split(checked(path, rules("text"), limits=Limits(line=1000)))
    assert [draft.data["text"] for draft in good] == ["a"]
    assert len(bad) == 2


@pytest.mark.long
@pytest.mark.parametrize("version", some(["1.0", "2.0"]))
@pytest.mark.parametrize("nested", some([True, False]))
def test_a_long_value_that_many_rows_share_is_not_copied_for_each(tmp_path, nested, version):
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 12 + [1], pa.int32()), pa.array([b"x" * 70 * MIB, picture()]))
    column = pa.StructArray.from_arrays([long], ["bytes"]) if nested else long
    pq.write_table(
        pa.table({"image": column}),
        tmp_path / "a.parquet",
        store_schema=False,
        compression="none",
        data_page_version=version,
    )
    with open_source(tmp_path / "a.parquet", kind="image") as source:
        results, most = [], 0
        for record in source.records():
            results.append(check_record(record, rules("image"), source))
            most = max(most, pa.total_allocated_bytes())
    good, bad = split(results)
    assert (len(good), len(bad)) == (1, 12)
    assert bad[0].reason == 'Column "image" cannot be read: it is longer than 64 MiB.'
    assert most < 250 * MIB


@pytest.mark.long
def test_a_batch_is_smaller_where_rows_share_long_values(tmp_path):
    def rows(values: list[str], **settings: object) -> int:
        pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet", **settings)
        return rows_at_once(tmp_path / "a.parquet", pq.read_metadata(tmp_path / "a.parquet").row_group(0), most=256)

    assert rows(["a", "b"]) == 256
    assert rows(["a", "b"], use_dictionary=False) == 256
    assert rows(["x" * 2 * MIB, "b"]) == 31
    assert rows(["x" * 100 * MIB], compression="zstd") == 1
    assert rows(["a"], use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}) == 1


@pytest.mark.parametrize("values", some([["x" * 70 * MIB], [np.zeros(20_000_000)]]))
def test_a_file_that_would_unpack_to_far_more_than_it_is_is_refused(tmp_path, values):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": values}), path, compression="zstd")
    assert path.stat().st_size < MIB // 10
    with pytest.raises(UnreadableFile, match="would unpack to more than 200 times its size"):
        read(path, "text")


def test_skipping_goes_by_row_groups_and_the_rest_is_the_same(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"text": [f"t{n}" for n in range(1000)]}, rows_a_group=64)
    with open_source(path, kind="text") as source:
        every = list(source.records())
        assert source.total == 1000
        assert source.position() == 1
        for skip in (0, 1, 63, 64, 65, 500, 999, 1000, 1001):
            assert list(source.records(skip)) == every[skip:]


@pytest.mark.parametrize(
    "content", some([b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"hello", b"PAR1\xff\xff\xff\x7fPAR1"], 3)
)
def test_what_is_no_parquet_is_refused(tmp_path, content):
    with pytest.raises(UnreadableFile):
        read(write(tmp_path / "a.parquet", content), "text")


def test_damage_within_the_file_is_reported_where_it_is(tmp_path):
    words = [f"{n:08d} some words to be packed" for n in range(2000)]
    path = write_parquet(tmp_path / "a.parquet", {"text": words}, rows_a_group=500)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = b"\xff" * 4000
    with pytest.raises(UnreadableFile, match=r"a\.parquet, row \d+: the file is damaged"):
        read(write(path, bytes(content)), "text")


def test_a_footer_that_makes_arrow_abort_is_refused_and_the_process_lives(tmp_path):
    content = write_parquet(tmp_path / "a.parquet", {"text": ["a", "b"]}).read_bytes()
    optional = b"\x25\x02\x18\x04text"  # of the schema, in Thrift: repetition 1, "optional"; name "text"
    assert content.count(optional) == 1
    path = write(tmp_path / "a.parquet", content.replace(optional, b"\x25\x12" + optional[2:]))
    facts = subprocess.run([sys.executable, parquet_facts.__file__, path, "1", "1"], capture_output=True, check=False)
    assert facts.returncode != 0  # by SIGABRT in pyarrow 26
    with pytest.raises(UnreadableFile, match="not a Parquet file or is damaged"):
        read(path, "text")


def test_columns_that_do_not_fit_are_refused(tmp_path):
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(UnreadableFile, match='two columns are called "text"'):
        read(tmp_path / "a.parquet", "text")
    other = write_parquet(tmp_path / "b.parquet", {"words": ["a"]})
    with pytest.raises(UnreadableFile, match='no column is called "text"'):
        read(other, "text")
    with pytest.raises(UnreadableFile, match="no column holds numbers"):
        read(other, "vector")
