"""Test the rules for records and their labels, which do not depend on the file's format."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import CLASSES, rules, write

from labeling.intake.checking import check_record
from labeling.intake.drafts import BadValue, Draft, Rejection, json_safe
from labeling.intake.readers import Record, open_source
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
        ("single", "GREAT Auk", "great auk"),
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


def test_truth_label_and_class_never_reach_what_annotators_see_and_a_number_names_the_class_written_like_it(source):
    assert verdict(source, {"truth": "cat"}).data == verdict(source, {"label": "cat"}).data == {"text": "a"}
    draft = verdict(source, {"truth": "cat", "label": "cat", "class": "third"})
    assert (draft.truth, draft.data) == ("cat", {"text": "a"})
    given = replace(rules("text"), classes=("0", "1"))
    for truth in (1, 1.0, "1"):
        assert check_record(Record("line 1", {"text": "a", "truth": truth}), given, source).truth == "1"


def test_ids_are_text_or_whole_numbers_or_that_of_the_row_s_place(source):
    for value, id in (("x", "x"), (5, "5"), (5.0, "5"), (" y ", "y"), ("é" * 200, "é" * 200)):
        assert verdict(source, {"id": value}).external_id == id
        draft = verdict(source, {"external_id": value, "id": "other"})
        assert (draft.external_id, draft.data["id"]) == (id, "other")
    for value in (None, "", "  ", float("nan")):
        assert verdict(source, {"id": value}).external_id == "a.jsonl:1"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("id", value) for value in ("x" * 201, "a\nb", "a\0b", "\ud800", True, 1.5, ["a"], {})),
        *(("text", value) for value in ("", "   \n", None, 7, ["a"], "a\0b", "a\ud800")),
        *(("class", value) for value in (None, "", "cow", ["cat"], {})),  # the class to verify
    ],
)
def test_any_other_id_text_or_class_is_refused(source, column, value):
    rejection = verdict(source, {column: value}, "verify" if column == "class" else "single")
    assert isinstance(rejection, Rejection)
    assert rejection.excerpt.isprintable()


def test_a_record_that_is_bad_as_read_keeps_its_reason_and_the_excerpt_is_short_and_printable(source):
    record = Record("line 9", None, "the row is longer than 1 MiB", "begin")
    assert check_record(record, rules("text"), source) == Rejection("line 9", "The row is longer than 1 MiB.", "begin")
    rejection = verdict(source, {"truth": "cow\n\x1b[31m\u202e", "x": "y" * 10_000, "z": list(range(10_000))})
    assert len(rejection.excerpt) <= 200
    assert rejection.excerpt.isprintable()
    assert rejection.reason.isprintable()
    deep: list = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(BadValue, match="nested"):
        json_safe({"x": deep})


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


GIVEN = {"annotator": "ana", "value": "cat", "seconds": 1.5, "created_at": "2026-03-01T14:30:00Z"}
SKIPPED = {"annotator": "ben", "reason": "Cannot be made out"}


def labeled_row(source, fields, question="single", **settings) -> Draft | Rejection:
    return check_record(Record("line 1", {"text": "a", **fields}), rules("text", question, **settings), source)


@pytest.mark.parametrize(
    ("question", "fields", "label"),
    [
        ("single", {"label": "cat"}, "cat"),
        ("single", {"label": ["cat"]}, "cat"),
        ("multi", {"label": ["dog", "cat"]}, ["dog", "cat"]),
        ("multi", {"label": "dog|cat"}, ["dog", "cat"]),
        ("multi", {"label": '["dog", "great auk"]'}, ["dog", "great auk"]),
        ("multi", {"label": []}, []),
        ("verify", {"label": False, "class": "cat"}, False),
        ("verify", {"label": "true", "class": "cat"}, True),
    ],
)
def test_a_label_is_read_as_the_question_has_it(source, question, fields, label):
    draft = labeled_row(source, fields, question)
    assert (draft.labels.label, draft.truth, draft.data) == (label, None, {"text": "a"})


def test_a_row_without_a_label_has_none(source):
    for fields in ({}, {"label": None}, {"label": " "}, {"annotations": []}, {"annotations": "", "skips": "[]"}):
        assert labeled_row(source, fields).labels is None


def test_answers_and_skips_are_read_with_their_authors(source):
    draft = labeled_row(source, {"annotations": [GIVEN], "skips": [SKIPPED]})
    given, skipped = draft.labels.answers
    assert (given.annotator, given.value, given.seconds, given.at.isoformat()) == (
        "ana", "cat", 1.5, "2026-03-01T14:30:00+00:00",
    )  # fmt: skip
    assert (skipped.annotator, skipped.value, skipped.reason, skipped.at) == ("ben", None, "Cannot be made out", None)
    assert draft.data == {"text": "a"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"label": "cow"}, 'Label "cow" is not a class of this project (cat, dog, great auk).'),
        ({"label": ["cat", "dog"]}, "Label names 2 classes, but this project asks for one."),
        ({"label": {}}, 'Column "label" must name a class, not hold a JSON object.'),
        ({"annotations": "many"}, 'Column "annotations" must be a list of answers, not a text.'),
        ({"annotations": ["cat"]}, 'Column "annotations" must be a list of objects, not of text.'),
        ({"skips": [SKIPPED] * 1001}, 'Column "skips" has 1,001 answers, more than the 1,000 allowed.'),
        ({"annotations": [{"value": "cat"}]}, 'An annotation has no "annotator".'),
        ({"annotations": [{"annotator": "ana"}]}, "An annotation has no value."),
        ({"annotations": [GIVEN, GIVEN]}, "Annotator ana has answered it more than once."),
        (
            {"annotations": [GIVEN | {"value": "cow"}]},
            'Annotation "cow" is not a class of this project (cat, dog, great auk).',
        ),
        ({"annotations": [GIVEN | {"annotator": "a b"}]}, 'Annotator "a b" is not a user name.'),
        ({"annotations": [GIVEN | {"annotator": 5}]}, 'Annotator "5" is not a user name.'),
        ({"annotations": [GIVEN | {"id": "5"}]}, 'Annotation id "5" is not a UUID.'),
        ({"annotations": [GIVEN | {"seconds": -1}]}, 'Seconds "-1" is not a number from 0 on.'),
        ({"annotations": [GIVEN | {"flagged": "maybe"}]}, 'Flagged "maybe" is not one of true, false, 1, 0, yes, no.'),
        (
            {"annotations": [GIVEN | {"created_at": "2026-03-01"}]},
            'Created_at "2026-03-01" is not a time with its zone, such as 2026-03-01T14:30:00Z.',
        ),
        ({"skips": [{"annotator": "ana"}]}, "A skip has no reason."),
        ({"skips": [SKIPPED | {"reason": "a\0"}]}, "A skip's reason holds characters that cannot be stored."),
        (
            {"label": "cat", "annotations": [], "corrected_by": "a b"},
            'Corrected_by "a b" is not a user name.',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_told_in_one_line(source, fields, reason):
    assert labeled_row(source, fields).reason == reason


def test_what_is_only_to_be_predicted_has_its_labels_passed_over(source):
    assert labeled_row(source, {"label": "cow", "annotations": 5}, with_truth=False).labels is None
