"""Test how a row's label is read for each question, and which labels are refused."""

import pytest
from import_files import rules

from labeling.intake.checking import check_record
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.readers import Record, open_source

GIVEN = {"annotator": "ana", "value": "cat", "seconds": 1.5, "created_at": "2026-03-01T14:30:00Z"}
SKIPPED = {"annotator": "ben", "reason": "Cannot be made out"}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    with open_source(path, kind="text") as source:
        yield source


def row(source, fields, question="single", **settings) -> Draft | Rejection:
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
    draft = row(source, fields, question)
    assert (draft.labels.label, draft.truth, draft.data) == (label, None, {"text": "a"})


def test_a_row_without_a_label_has_none(source):
    for fields in ({}, {"label": None}, {"label": " "}, {"annotations": []}, {"annotations": "", "skips": "[]"}):
        assert row(source, fields).labels is None


def test_answers_and_skips_are_read_with_their_authors(source):
    draft = row(source, {"annotations": [GIVEN], "skips": [SKIPPED]})
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
    assert row(source, fields).reason == reason


def test_what_is_only_to_be_predicted_has_its_labels_passed_over(source):
    assert row(source, {"label": "cow", "annotations": 5}, with_truth=False).labels is None


def test_the_answers_of_a_label_studio_task_are_not_taken(source):
    record = Record("line 1", {"id": 1, "data": {"text": "a"}, "annotations": [{"result": []}]})
    draft = check_record(record, rules("text"), source)
    assert (draft.labels, draft.data) == (None, {"text": "a"})
