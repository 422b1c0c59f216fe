"""Test the import of Parquet, Arrow and Feather files, as pyarrow, polars, pandas and Hugging Face write them."""

import datetime as dt
import decimal
import subprocess
import sys

import datasets
import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from import_files import checked, picture, read, rules, split, write, write_arrow, write_parquet, write_zip
from pyarrow import feather

from labeling.intake.checking import check_record
from labeling.intake.readers import Limits, UnreadableFile, open_source, parquet_facts
from labeling.intake.readers.base import MIB
from labeling.intake.readers.parquet_facts import rows_at_once
from tests.extent import some

VALUES = {
    "text": ("one", "one"),
    "score": (float("nan"), None),
    "day": (dt.date(2024, 5, 1), "2024-05-01"),
    "price": (decimal.Decimal("1.50"), "1.50"),
    "blob": (b"abc", "<3 bytes>"),
    "more": ({"a": [1, 2]}, {"a": [1, 2]}),
    "tags": (["x", "y"], ["x", "y"]),
    "numbers": ([1.0, float("inf")], [1.0, None]),
}


def test_columns_become_an_item_that_json_can_hold(tmp_path):
    columns = {name: [value, None] for name, (value, _) in VALUES.items()} | {"text": ["one", "two"]}
    pairs = pa.array([[("k", "v")], []], pa.map_(pa.string(), pa.string()))
    path = write_parquet(tmp_path / "a.parquet", {"id": [1, 2], "truth": ["cat", None], "map": pairs, **columns})
    first, second = checked(path, rules("text"))
    assert (first.external_id, first.truth, second.truth) == ("1", "cat", None)
    assert first.data == {"map": [{"key": "k", "value": "v"}], **{name: read for name, (_, read) in VALUES.items()}}
    orjson.dumps([first.data, second.data])


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 2), pa.large_list(pa.int16())])
def test_vectors_come_as_any_list_of_numbers(tmp_path, kind):
    column = pa.array([[1, 2], [3, 4], None], kind)
    good, bad = split(checked(write_parquet(tmp_path / "a.parquet", {"vector": column}), rules("vector")))
    assert [draft.vector.tolist() for draft in good] == [[1, 2], [3, 4]]
    assert good[0].vector.dtype == np.float32
    assert [row.where for row in bad] == ["row 3"]


def test_numeric_columns_are_the_vector(tmp_path):
    columns = {"id": [1, 2], "x": [1, 2], "name": ["a", "b"], "y": [0.5, None], "label": ["cat", "dog"]}
    first, second = checked(write_parquet(tmp_path / "a.parquet", columns), rules("vector"))
    assert first.vector.tolist() == [1, 0.5]
    assert first.data == {"x": 1, "y": 0.5, "name": "a"}
    assert second.reason == 'Column "y" is empty.'


def test_hugging_face_images_and_class_names(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}
    images = [{"bytes": picture(), "path": "a.png"}, {"bytes": picture("GIF"), "path": None}, None]
    table = pa.table({"image": images, "label": [1, -1, 0]})
    note = orjson.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": note}), tmp_path / "a.parquet")
    good, bad = split(checked(tmp_path / "a.parquet", rules("image")))
    found = [(draft.labels and draft.labels.label, draft.suffix, draft.data) for draft in good]
    assert found == [("cat", ".png", {}), (None, ".gif", {})]
    assert bad[0].where == "row 3"


@pytest.mark.parametrize("note", [b"[]", b"{", b'{"info": {"features": {"label": null}}}', b'{"info": 1}'])
def test_notes_of_hugging_face_that_make_no_sense_are_ignored(tmp_path, note):
    table = pa.table({"text": ["a"], "label": ["cat"]}).replace_schema_metadata({"huggingface": note})
    pq.write_table(table, tmp_path / "a.parquet")
    assert checked(tmp_path / "a.parquet", rules("text"))[0].labels.label == "cat"


def test_text_that_is_not_utf8_too_long_or_holds_nul_costs_its_row_only(tmp_path):
    raw = pa.array([b"one", b"caf\xe9", b"x" * 2000, b"b\0", b"three"], pa.binary())
    table = pa.table({"text": pa.Array.from_buffers(pa.string(), 5, raw.buffers())})
    pq.write_table(table, tmp_path / "a.parquet")
    good, bad = split(checked(tmp_path / "a.parquet", rules("text"), limits=Limits(line=1000)))
    assert [draft.data["text"] for draft in good] == ["one", "three"]
    assert bad[0].reason == 'Column "text" cannot be read: it is not UTF-8.'
    assert len(bad) == 3


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


@pytest.mark.parametrize("values", some([["x" * 70 * MIB], [np.zeros(20_000_000)]]), ids=type)
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
