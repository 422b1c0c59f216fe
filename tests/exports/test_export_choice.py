"""Test the texts of export filters: the chosen rows, the errors, and the file names."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from factories import make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.labels.items.filter import FilterError
from labeling.models import Item, Project
from labeling.outgoing.exports import choose, count_rows
from labeling.outgoing.exports.rows import pages

pytestmark = pytest.mark.django_db

BATCHES = 4


def at(day: int, hour: int = 0) -> datetime.datetime:
    return datetime.datetime(2026, 3, day, hour, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def project(once: Path) -> Project:
    """Create four batches of three items: a control item, a plain one, and one with two different answers; batch n is
    from March n at noon.

    Both annotators skip a last item of batch 4.
    """
    project = make_project(overlap=2)
    people = [make_member(project, name) for name in ("ann", "bob")]
    items = make_items(project, 3 * BATCHES + 1, control_every=3)
    for number in range(1, BATCHES + 1):
        end = 3 * number + (number == BATCHES)
        batch = make_batch(project, items[3 * (number - 1) : end], overlap=2)
        for place, person in enumerate(people):
            answer(batch, person, [1, 1, place, "skip"][: batch.size])
        Item.objects.filter(task__batch=batch, task__rank=2).update(label=0)  # a tie has no label by itself
        Item.objects.filter(task__batch=batch, label__isnull=False).update(labeled_at=at(number, 12))
        train(batch)
    return project


def rows(project: Project, **given: str) -> list[tuple[int, int]]:
    """Return (batch, rank) of the rows that match the filters, and check the count."""
    choice = choose(project, given)
    found = [(row["batch"], row["rank"]) for page in pages(project, choice) for row in page]
    assert count_rows(project, choice) == len(found)
    return found


def batches(project: Project, **given: str) -> list[int]:
    return sorted({batch for batch, _ in rows(project, **given)})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"batch": ""}, [1, 2, 3, 4]),
        ({"batch": "2"}, [2]),
        ({"batch": "02"}, [2]),
        ({"batch": " 1 , 3 "}, [1, 3]),
        ({"batch": "2-3"}, [2, 3]),
        ({"batch": "2–3"}, [2, 3]),
        ({"batch": "3-"}, [3, 4]),
        ({"batch": "-2"}, [1, 2]),
        ({"batch": "1,3-4,3"}, [1, 3, 4]),
        ({"since": "2026-03-02"}, [2, 3, 4]),
        ({"until": "2026-03-02"}, [1, 2]),
        ({"since": "2026-03-02", "until": "2026-03-02"}, [2]),
        ({"since": "2026-03-02T12:00Z"}, [2, 3, 4]),
        ({"since": "2026-03-02T12:00:00.000001Z"}, [3, 4]),
        ({"until": "2026-03-02T12:00Z"}, [1]),
        ({"since": "2026-03-02T13:00+01:00"}, [2, 3, 4]),
        ({"since": "2026-03-02T13:00 01:00"}, [2, 3, 4]),  # a plus sign that was lost on its way
        ({"since": "2026-03-02T12:00-01:00"}, [3, 4]),
    ],
)
def test_batches_one_several_or_a_range_and_times(project: Project, given: dict[str, str], expected: list[int]) -> None:
    assert batches(project, **given) == expected


def test_control_agreement_and_skipped_items_alone_and_together(project: Project) -> None:
    assert {rank for _, rank in rows(project, control="only")} == {0}
    assert {rank for _, rank in rows(project, control="without", batch="1")} == {1, 2}
    assert len(rows(project, control="only")) + len(rows(project, control="without")) == len(rows(project))
    assert len(rows(project)) == 3 * BATCHES
    for least, ranks in (("0.5", {0, 1, 2}), ("0.51", {0, 1}), ("1", {0, 1})):
        assert {rank for _, rank in rows(project, agreement=least)} == ranks
    assert rows(project, batch="2-4", since="2026-03-03", control="without", agreement="1") == [(3, 1), (4, 1)]
    assert (4, 3) in rows(project, skipped="true")
    assert (4, 3) not in rows(project, skipped="true", agreement="0")
    assert (4, 3) not in rows(project, skipped="true", since="2026-03-01")
    assert (4, 3) not in rows(project, skipped="false")


LIST = "is not a list of batches. Enter a number, a range or a list: 3 or 2-5 or 1,4,6-."
SHARE = "is not a share. Enter a number from 0 to 1, for example 0.8."
TIME = "is not a date or time. Enter 2026-03-01 (a day in UTC) or 2026-03-01T14:30+01:00."


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"batch": "99"}, "This project has no batch 99; its batches are 1 to 4."),
        ({"batch": "0"}, "This project has no batch 0; its batches are 1 to 4."),
        ({"batch": "3-9"}, "This project has no batch 9; its batches are 1 to 4."),
        ({"batch": "9-"}, "This project has no batch 9; its batches are 1 to 4."),
        ({"batch": "4-2"}, "'4-2' is in reverse order. Enter 2-4."),
        *(({"batch": text}, f"'{text}' {LIST}") for text in ("first", "1,,2", "-", "²", "9" * 30)),
        ({"control": "no"}, "'no' is not valid. Enter only or without."),
        *(({"agreement": text}, f"'{text}' {SHARE}") for text in ("1.5", "nan", "80 %")),
        ({"agreement": "x\0\n" + "y" * 60}, f"'x\\x00\\n{'y' * 36}…' {SHARE}"),
        ({"since": "yesterday"}, f"'yesterday' {TIME}"),
        ({"until": "2026-02-30"}, f"'2026-02-30' {TIME}"),
        (
            {"since": "2026-03-01T14:30"},
            "'2026-03-01T14:30' has no time zone. Add one (Z for UTC, or +01:00), or enter only the date.",
        ),
        ({"until": "9999-12-31"}, "'9999-12-31' is out of range."),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "The end must be after the start."),
        ({"skipped": "perhaps"}, "'perhaps' is neither true nor false."),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(project: Project, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(FilterError) as error:
        choose(project, given)
    assert error.value.fields == {list(given)[-1]: sentence}
    assert "\n" not in str(error.value)


def test_a_project_with_few_batches_says_which() -> None:
    project = make_project("few")
    with pytest.raises(FilterError, match="This project has no batch yet"):
        choose(project, {"batch": "1"})
    make_batch(project, make_items(project, 1))
    with pytest.raises(FilterError, match="This project has no batch 2; its only batch is 1"):
        choose(project, {"batch": "2"})


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "digits-labels.csv"),
        ({"batch": "3"}, "digits-batch-3.csv"),
        ({"batch": "4,1-2"}, "digits-batches-1-2+4.csv"),
        ({"batch": "2-"}, "digits-batches-2-4.csv"),
        (
            {"since": "2026-03-01", "until": "2026-03-02T14:30+01:00"},
            "digits-since-2026-03-01-until-2026-03-02T133000Z.csv",
        ),
        (
            {"control": "without", "agreement": "0.80", "skipped": "yes"},
            "digits-without-control-agreement-0.8-with-skipped.csv",
        ),
        ({"control": "only", "batch": "1", "skipped": "no"}, "digits-batch-1-control.csv"),
    ],
)
def test_the_file_name_tells_the_filters(project: Project, given: dict[str, str], name: str) -> None:
    assert choose(project, given).file_name(project, ".csv") == name


def test_a_long_list_of_batches_is_told_by_its_length(project: Project) -> None:
    project.batches.update(state="done")
    for item in make_items(project, 60):
        project.batches.update(state="done")
        make_batch(project, [item])
    odd = ",".join(str(number) for number in range(1, 61, 2))
    assert choose(project, {"batch": odd}).file_name(project, ".csv") == "digits-30-batches.csv"


def test_reading_filters_costs_a_query_only_for_batches_and_counting_stops_where_it_is_told_to(
    project: Project, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        choose(project, {"since": "2026-03-01", "control": "only", "agreement": "1", "skipped": "1"})
    with django_assert_num_queries(1):
        choose(project, {"batch": "1-2,3"})
    with django_assert_num_queries(1):
        assert count_rows(project, at_most=5) == 6
    assert count_rows(project, at_most=12) == 12
