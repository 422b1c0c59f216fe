"""Test the rules for records, which do not depend on the file's format."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import CLASSES, rules, write

from labeling.intake.checking import check_record
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.readers import Record, open_source
from labeling.intake.readers.values import BadValue, json_safe
from tests.extent import examples


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("rows") / "a.jsonl", '{"text": "a"}')
    with open_source(path, kind="text") as opened:
        yield opened


def verdict(source, fields, question="single"):
    record = Record("line 1", {"text": "a", **fields}, default_id="a.jsonl:1")
    return check_record(record, rules("text", question), source)


@pytest.mark.parametrize(
    ("question", "given_truth", "truth"),
    [
        ("single", "cat", "cat"),
        ("single", " great auk ", "great auk"),
        ("single", "", None),
        ("single", None, None),
        ("single", float("nan"), None),
        ("single", ["dog"], "dog"),
        ("single", np.array(["dog"]), "dog"),
        ("multi", "cat|great auk", ["cat", "great auk"]),
        ("multi", "cat | cat|dog", ["cat", "dog"]),
        ("multi", ["dog", "cat"], ["dog", "cat"]),
        ("multi", [], []),
        ("multi", "", None),
        ("verify", "Yes", True),
        ("verify", "0", False),
        ("verify", 1, True),
        ("verify", 0.0, False),
        ("verify", True, True),
        ("verify", "FALSE", False),
        ("verify", "", None),
    ],
)
def test_truth_is_read_as_the_question_asks(source, question, given_truth, truth):
    draft = verdict(source, {"truth": given_truth, "class": "cat"}, question)
    assert isinstance(draft, Draft)
    assert draft.truth == truth
    assert type(draft.truth) is type(truth)
    assert draft.proposed == ("cat" if question == "verify" else None)


@pytest.mark.parametrize(
    ("question", "truth", "reason"),
    [
        ("single", "cow", 'Truth "cow" is not a class of this project (cat, dog, great auk).'),
        ("single", "Cat", 'Truth "Cat" is not a class'),
        ("single", "cat|dog", 'Truth "cat|dog" is not a class'),
        ("single", ["cat", "dog"], "Truth names 2 classes, but this project asks for one."),
        ("single", {"a": 1}, 'Column "truth" must name a class, not hold a JSON object.'),
        ("single", True, 'Truth "True" is not a class'),
        ("multi", "cat|", 'Truth "" is not a class'),
        ("multi", ["cat", 5], 'Truth "5" is not a class'),
        ("multi", ["cat", None], 'Column "truth" must name a class'),
        ("verify", "perhaps", 'Truth "perhaps" is not one of true, false, 1, 0, yes, no.'),
        ("verify", "cat", 'Truth "cat" is not one of'),
    ],
)
def test_any_other_truth_is_refused(source, question, truth, reason):
    rejection = verdict(source, {"truth": truth, "class": "cat"}, question)
    assert isinstance(rejection, Rejection)
    assert rejection.reason.startswith(reason)


@pytest.mark.parametrize("given_class", [None, "", "cow", ["cat"], {}])
def test_verify_needs_a_class_that_the_project_has(source, given_class):
    assert isinstance(verdict(source, {"class": given_class}, "verify"), Rejection)


def test_truth_label_and_class_never_reach_what_annotators_see(source):
    assert verdict(source, {"truth": "cat"}).data == verdict(source, {"label": "cat"}).data == {"text": "a"}
    draft = verdict(source, {"truth": "cat", "label": "cat", "class": "third"})
    assert (draft.truth, draft.data) == ("cat", {"text": "a"})


def test_a_number_names_the_class_that_is_written_like_it(source):
    given = replace(rules("text"), classes=("0", "1"))
    for truth in (1, 1.0, "1"):
        assert check_record(Record("line 1", {"text": "a", "truth": truth}), given, source).truth == "1"


@pytest.mark.parametrize(("value", "id"), [("x", "x"), (5, "5"), (5.0, "5"), (" y ", "y"), ("é" * 200, "é" * 200)])
def test_ids_are_text_or_whole_numbers(source, value, id):
    assert verdict(source, {"id": value}).external_id == id
    assert verdict(source, {"external_id": value, "id": "other"}).external_id == id
    assert verdict(source, {"external_id": value, "id": "other"}).data["id"] == "other"


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")])
def test_a_row_without_an_id_has_that_of_its_place(source, value):
    assert verdict(source, {"id": value}).external_id == "a.jsonl:1"


@pytest.mark.parametrize("value", ["x" * 201, "a\nb", "a\0b", "\ud800", True, 1.5, ["a"], {}])
def test_any_other_id_is_refused(source, value):
    rejection = verdict(source, {"id": value})
    assert isinstance(rejection, Rejection)
    assert rejection.excerpt.isprintable()


@pytest.mark.parametrize("text", ["", "   \n", None, 7, ["a"], "a\0b", "a\ud800"])
def test_text_must_be_there_and_be_storable(source, text):
    assert isinstance(verdict(source, {"text": text}), Rejection)


def test_a_record_that_is_bad_as_read_keeps_its_reason(source):
    record = Record("line 9", None, "the row is longer than 1 MiB", "begin")
    assert check_record(record, rules("text"), source) == Rejection("line 9", "The row is longer than 1 MiB.", "begin")


def test_the_excerpt_is_short_and_printable(source):
    rejection = verdict(source, {"truth": "cow\n\x1b[31m\u202e", "x": "y" * 10_000, "z": list(range(10_000))})
    assert len(rejection.excerpt) <= 200
    assert rejection.excerpt.isprintable()
    assert rejection.reason.isprintable()


def test_the_length_of_vectors_is_the_callers_to_set(source):
    given = rules("vector")
    first = check_record(Record("row 1", {"vector": [1, 2, 3]}), given, source)
    second = Record("row 2", {"vector": [1, 2]})
    assert isinstance(check_record(second, given, source), Draft)
    assert isinstance(check_record(second, replace(given, vector_length=len(first.vector)), source), Rejection)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
COLUMNS = st.sampled_from(
    ["id", "external_id", "text", "truth", "label", "class", "image", "file_name", "vector", "data", "x"]
)


@given(
    fields=st.dictionaries(COLUMNS, ANYTHING | st.sampled_from(CLASSES)),
    kind=st.sampled_from(["text", "image", "vector"]),
    question=st.sampled_from(["single", "multi", "verify"]),
)
@settings(max_examples=examples(300), deadline=None)
def test_every_record_ends_as_a_draft_or_a_rejection(source, fields, kind, question):
    result = check_record(Record("line 1", fields, default_id="d"), rules(kind, question), source)
    if isinstance(result, Draft):
        assert 0 < len(result.external_id) <= 200
        assert json_safe(result.data) == result.data
    else:
        assert result.reason
        assert len(result.excerpt) <= 200


def test_deep_nesting_is_refused():
    deep: list = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(BadValue, match="nested"):
        json_safe({"x": deep})
