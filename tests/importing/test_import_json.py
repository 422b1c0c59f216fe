"""Test the import of JSON files: JSON lines, and lists of objects."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import checked, data_url, picture, read, rules, split, write

from labeling.intake.readers import Limits, UnreadableFile
from tests.extent import combinations, examples

ROWS = [
    {"id": "a", "text": "Hello, [you] {there}", "truth": "cat"},
    {"text": 'a "quoted\\" one', "n": {"deep": [1, 2]}},
]


def lines(*rows: object, end: str = "\n") -> str:
    return end.join(json.dumps(row) for row in rows)


@pytest.mark.parametrize(
    ("suffix", "end"), combinations([".jsonl", ".ndjson", ".json"], ["\n", "\r\n", "\r", "\n\n"])[:6]
)
def test_an_object_a_line(tmp_path, suffix, end):
    path = write(tmp_path / f"a{suffix}", "\ufeff" + lines(*ROWS, end=end))
    assert [record.fields for record in read(path, "text")] == ROWS


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_objects(tmp_path, indent):
    records = read(write(tmp_path / "a.json", json.dumps(ROWS, indent=indent) + "\n"), "text")
    assert [record.fields for record in records] == ROWS
    assert [(record.where, record.default_id) for record in records] == [("row 1", "a.json:1"), ("row 2", "a.json:2")]
    assert read(write(tmp_path / "a.json", " [ ] "), "text") == []


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(rows=st.lists(st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=4)), indent=st.sampled_from([None, 1]))
@settings(max_examples=examples(40), deadline=None)
def test_any_list_of_objects_is_cut_as_a_parser_would(tmp_path_factory, rows, indent):
    text = json.dumps(rows, indent=indent, ensure_ascii=False)
    path = write(tmp_path_factory.mktemp("json") / "a.json", text)
    assert [record.fields for record in read(path, "text")] == rows


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_a_list_is_cut_the_same_wherever_the_chunks_end(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("labeling.intake.readers.json_file.CHUNK", chunk)
    monkeypatch.setattr("labeling.intake.readers.lines.CHUNK", chunk)
    assert [record.fields for record in read(write(tmp_path / "a.json", json.dumps(ROWS)), "text")] == ROWS
    records = read(write(tmp_path / "a.jsonl", lines(*ROWS, end="\r\n")), "text")
    assert [(record.where, record.fields) for record in records] == [("line 1", ROWS[0]), ("line 2", ROWS[1])]


BAD = {
    b'{"text": "cut': "",
    b'"just text"': "The row is not a JSON object",
    b'{"text": "caf\xe9"}': "not UTF-8",
    b'{"text": "\x00"}': "NUL",
    b'{"text": "\\u0000"}': "NUL",
    b'{"text": "\\ud800"}': "not valid JSON",
    b'{"txt": "misspelled"}': 'Column "text" is missing.',
    b'{"text": null}': 'Column "text" is empty.',
    b'{"text": 5}': 'Column "text" must hold text, not a number.',
    b'{"text": ["a"]}': "",
    b"[" * 100_000: "",
    b'{"text": NaN' + b"[" * 100_000: "",
    b'{"text": "deep", "x": ' + b"[" * 40 + b"]" * 40 + b"}": "nested more than",
}


def test_bad_lines_are_set_aside_each_with_its_reason(tmp_path):
    content = b"\n".join([b'{"text": "good"}', *BAD, b'{"text": "good too"}'])
    good, bad = split(checked(write(tmp_path / "a.jsonl", content), rules("text")))
    assert [draft.data["text"] for draft in good] == ["good", "good too"]
    assert [row.where for row in bad] == [f"line {number}" for number in range(2, 15)]
    for row, reason in zip(bad, BAD.values(), strict=True):
        assert reason in row.reason
        assert len(row.excerpt) <= 200
        assert row.excerpt.isprintable()


def test_nan_in_other_columns_becomes_null(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "score": NaN, "all": [1, Infinity]}')
    assert checked(path, rules("text"))[0].data == {"text": "a", "score": None, "all": [1, None]}


def test_bad_elements_of_a_list_are_set_aside(tmp_path):
    path = write(tmp_path / "a.json", '[{"text": "a"}, 7, {"text" 1}, , {"text": "b"}, {"text": "c"},]')
    records = read(path, "text")
    assert [bool(record.problem) for record in records] == [False, True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("content", "good"),
    [
        ('[{"text": "a"}, {"text": "b"', 1),
        ('[{"text": "a"}] {"text": "b"}', 1),
        ('[{"text": "a"}, {"text": "b}]', 1),
        ('[{"text": "a"', 0),
    ],
)
def test_a_list_that_is_cut_short_or_goes_on_says_so(tmp_path, content, good):
    records = read(write(tmp_path / "a.json", content), "text")
    assert [bool(record.fields) for record in records] == [True] * good + [False]


def test_elements_and_lines_that_are_too_long_are_set_aside(tmp_path):
    rows = [{"text": "a"}, {"text": "x" * 5000}, {"text": "b"}]
    limits = Limits(line=1000)
    for path in (write(tmp_path / "a.json", json.dumps(rows)), write(tmp_path / "a.jsonl", lines(*rows))):
        records = read(path, "text", limits=limits)
        assert [record.problem for record in records] == ["", "the row is longer than 1,000 bytes", ""]
        assert records[1].excerpt.startswith('{"text": "xxx')
        assert len(records[1].excerpt) <= 200


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b'{\n"data": [1]\n}', "neither a list of objects nor an object on each line"),
        (b"hello", "neither a list of objects nor"),
        ("[]".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_json_file_that_is_of_no_use_is_refused(tmp_path, content, complaint):
    with pytest.raises(UnreadableFile, match=complaint):
        read(write(tmp_path / "a.json", content), "text")


def test_label_studio_tasks_are_recognised_and_their_answers_neither_shown_nor_taken(tmp_path):
    task = {"id": 12, "data": {"text": "Hi", "lang": "en"}, "annotations": [{"result": []}], "predictions": []}
    draft = checked(write(tmp_path / "a.json", json.dumps([task])), rules("text"))[0]
    assert (draft.external_id, draft.data, draft.labels) == ("12", {"text": "Hi", "lang": "en"}, None)


def test_images_come_as_data_urls(tmp_path):
    url = data_url(picture("JPEG"), "image/jpeg")
    rows = [url, url[:-7] + "!", url.replace(";base64", ""), "data:image/png;base64,", data_url(b"<html>"), 5, None]
    path = write(tmp_path / "a.jsonl", lines(*({"image": row, "page": 3} for row in rows)))
    good, bad = split(checked(path, rules("image")))
    assert [(draft.suffix, draft.data) for draft in good] == [(".jpg", {"page": 3})]
    assert [row.where for row in bad] == [f"line {number}" for number in range(2, 8)]


def test_vectors_come_as_lists(tmp_path):
    vectors = [[1, 2.5], [1], [1, float("nan")], [1, None], [1, "2"], [], "x", [[1, 2]], [True, 1], {"a": 1}]
    vectors.append([1, 10**400])
    path = write(tmp_path / "a.jsonl", lines(*({"vector": vector} for vector in vectors)) + '\n{"x": 1}')
    good, bad = split(checked(path, rules("vector", vector_length=2)))
    assert [draft.vector.tolist() for draft in good] == [[1, 2.5]]
    assert bad[0].reason == "The vector has 1 numbers where this project's have 2."
    assert bad[1].reason == "Number 2 of the vector is NaN."
    assert len(bad) == len(vectors)
