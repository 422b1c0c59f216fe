"""Test which items each filter matches, and the order and the pages of the list."""

import itertools
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from factories import certify, make_items, make_member, make_open_batch, make_project
from mixture import mixture, numbers
from pages import make_version

from labeling.insight.attention import attention_of
from labeling.labels.corrections import correct
from labeling.labels.items import search
from labeling.labels.items.filter import FilterError
from labeling.labels.items.item_filters import FILTERS, STATES, matching, read_filter
from labeling.labels.items.order import (
    ORDERS,
    count_up_to,
    order_for,
    page_after,
    page_before,
    position_of,
    read_position,
    rows_beside,
)
from labeling.labels.items.records import state_of
from labeling.models import Annotation, Copy, CopyAnswer, Item, Project, Role, User
from labeling.storage.arrays.files import ProjectFiles, save_array
from tests.extent import ALL

pytestmark = pytest.mark.django_db

FOUND: list[tuple[dict[str, str], list[int]]] = [
    ({}, list(range(12))),
    ({"label": "class 3"}, [0, 1]),
    ({"label": "class 19"}, []),
    ({"batch": "1"}, list(range(6))),
    ({"batch": "2"}, [6, 7, 8]),
    ({"annotator": "annie"}, [0, 1, 2, 3, 4, 5, 6]),
    ({"annotator": "bert"}, [0, 1, 2, 3, 4, 5]),
    ({"annotator": "mona"}, []),
    ({"answered": "class 5"}, [1, 3, 4]),
    ({"answered": "class 5", "annotator": "annie"}, [4]),
    ({"answered": "class 3", "against": "class 5"}, [1]),
    ({"answered": "class 5", "against": "class 5"}, [4]),
    ({"against": "class 5"}, [1, 4]),
    ({"divided": "class 3"}, [1]),
    ({"unlike": "bert"}, [1]),
    ({"known": "class 3"}, [3]),
    ({"known": "class 3", "annotator": "bert"}, []),
    ({"state": "labeled"}, [0, 1, 3, 4, 5]),
    ({"state": "skipped"}, [2]),
    ({"state": "open"}, [6, 7, 8]),
    ({"state": "unlabeled"}, [9, 10]),
    ({"state": "unreadable"}, [11]),
    ({"search": "-001"}, [10, 11]),
    ({"search": "ITEM-0003"}, [3]),
    ({"search": "100%"}, []),
    ({"state": "excluded"}, []),
    ({"queued": "true"}, [10]),
    ({"queued": "false", "state": "unlabeled"}, [9]),
    ({"propagated": "true"}, [9]),
    ({"propagated": "false", "state": "unlabeled"}, [10]),
    ({"origin": "person"}, [0, 1, 3, 4]),
    ({"origin": "corrected"}, [5]),
    ({"origin": "copy"}, [9]),
    ({"origin": "imported"}, []),
    ({"origin": "certified"}, [10]),
    ({"excluded": "true"}, []),
    ({"excluded": "false"}, list(range(12))),
    ({"deleted": "true"}, []),
    ({"deleted": "false"}, list(range(12))),
    ({"q": "number 3"}, [3]),
    ({"q": "thi"}, list(range(12))),
    ({"flagged": "true"}, [4]),
    ({"flagged": "false"}, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]),
    ({"disagreement": "true"}, [1]),
    ({"state": "undecided"}, []),
    ({"disagreement": "false"}, [0, 3, 4, 5]),
    ({"skips": "true"}, [2, 3]),
    ({"skips": "false", "batch": "1"}, [0, 1, 4, 5]),
    ({"corrected": "true"}, [5]),
    ({"corrected": "false", "state": "labeled"}, [0, 1, 3, 4]),
    ({"control": "true"}, [1]),
    ({"gold": "true"}, [3]),
    ({"state": "again"}, [11]),
    ({"predicted": "1:class 5"}, [1]),
    ({"predicted": "1:class 3"}, []),
    ({"cluster": "2:7"}, [6, 8]),
    ({"cluster": "2:9"}, []),
    ({"label": "class 3", "predicted": "1:class 5", "control": "true"}, [1]),
    ({"control": "no", "batch": "1"}, [0, 2, 3, 4, 5]),
    ({"annotator": "bert", "skips": "true", "state": "labeled"}, [3]),
    ({"label": "class 5", "flagged": "true", "batch": "1", "corrected": "false"}, [4]),
]


def mark(project: Project) -> None:
    """Queue an item and certify its label, make one gold, have one asked again, predict class 5 for all, pick two by a
    cluster, and leave one in as a near-copy.
    """
    project.items.filter(external_id="item-0010").update(queued_at=timezone.now())
    project.items.filter(external_id="item-0003").update(gold=3)
    project.items.filter(external_id="item-0011").update(again_at=timezone.now())
    first, second = project.batches.order_by("number")
    version = make_version(first, 1)
    certify(project, {project.items.get(external_id="item-0010"): 5}, version=version)
    save_array(ProjectFiles(project).pool(version, "best"), np.full(11, 5))
    project.batches.filter(pk=second.pk).update(clusters=3)
    second.tasks.filter(rank__in=(0, 2)).update(cluster=7)
    source, near = (project.items.get(external_id=f"item-000{number}") for number in (0, 9))
    copy = Copy.objects.create(of=source, item=near, batch=first, height=0.1)
    CopyAnswer.objects.create(copy=copy, annotation=Annotation.objects.filter(task__item=source)[0], same=True)
    project.batches.update(copy_radius=0.2)


def find(project: Project, **given: str) -> list[int]:
    return numbers(project, sorted(matching(project, read_filter(project, given)).values_list("pk", flat=True)))


def test_filters_and_what_they_find(project: Project) -> None:
    make_items(make_project("other"), 3)
    mark(project)
    search.catch_up()
    for given, found in FOUND:
        assert find(project, **given) == found, given


def test_any_two_filters_find_what_both_find(project: Project) -> None:
    mark(project)
    search.catch_up()
    of_one_answer = {"annotator", "answered", "against", "divided", "unlike", "known"}
    singles = [(given, set(found)) for given, found in FOUND if len(given) == 1]
    pairs = list(itertools.combinations(singles, 2))
    for (one, by_one), (other, by_other) in pairs if ALL else pairs[::7]:
        if not one.keys() & other.keys() and not {*one, *other} <= of_one_answer:
            assert set(find(project, **one, **other)) == by_one & by_other, (one, other)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("multi", {"class 3": [0], "class 1": [0], "class 13": [4], "class 5": [3, 4]}),
        ("verify", {"yes": [0, 1, 5], "No": [3, 4]}),
    ],
)
def test_labels_of_other_questions(question: str, found: dict[str, list[int]]) -> None:
    project = mixture(question, slug=question)
    for label, items in found.items():
        assert find(project, label=label) == items
    if question == "multi":
        with pytest.raises(FilterError, match="not stored"):
            read_filter(project, {"predicted": "1:class 5"})


NOT_FOUND = [
    ({"label": "clas 3"}, "This project has no class “clas 3”."),
    ({"label": "ass 1"}, "Did you mean class 1, class 10, class 11, class 12 or class 13?"),
    ({"batch": "9"}, "There is no batch 9 in this project."),
    *(({"batch": number}, "Enter the number of a batch.") for number in ("-1", "99999999999999999999", "²")),
    ({"annotator": "nobody"}, "No annotator of this project is or was called “nobody”."),
    ({"annotator": "stranger"}, "No annotator of this project is or was called “stranger”."),
    ({"state": "lost"}, "Choose one of labeled, skipped, open, again, unlabeled, undecided, unreadable, excluded."),
    ({"flagged": "maybe"}, "Enter true or false."),
    ({"search": "a\x00b"}, "without NUL"),
    ({"label": "x" * 221}, "at most 220 characters"),
    ({"predicted": "class 5"}, "Enter the number of a model version, a colon and a class."),
    ({"predicted": "1:clas 5"}, "This project has no class “clas 5”."),
    ({"predicted": "9:class 5"}, "There is no model version 9 in this project."),
    ({"predicted": "2:class 5"}, "Version 2 has no predictions yet."),
    ({"cluster": "7"}, "Enter a batch number, a colon and a cluster number, for example 2:17."),
    ({"cluster": "2:²"}, "Enter a batch number"),
    ({"cluster": "9:7"}, "There is no batch 9 in this project."),
    ({"cluster": "1:7"}, "Batch 1 was not picked by clusters."),
    ({"annotator": "\x00"}, "without NUL"),
]


def test_what_cannot_be_found_is_said(project: Project) -> None:
    mark(project)
    make_version(project.batches.get(number=2), 2)
    make_member(make_project("other"), "stranger")
    for given, said in NOT_FOUND:
        with pytest.raises(FilterError) as refused:
            read_filter(project, given)
        assert said in refused.value.fields[next(iter(given))]
    project.memberships.filter(user__username="bert").delete()
    assert find(project, annotator="bert") == [0, 1, 2, 3, 4, 5], "a former member can still be asked for"


def test_every_filter_and_state_is_tried_and_items_are_in_the_state_that_finds_them(project: Project) -> None:
    assert {name for given, _ in FOUND for name in given} == set(FILTERS) - {"like"}  # in test_alike.py
    assert {given["state"] for given, _ in FOUND if "state" in given} == set(STATES)
    for state in STATES:
        for item in matching(project, {"state": state}):
            assert state_of(item, out_again=False) == state


def walk(project: Project, order: Any, n: int) -> list[int]:
    """Walk through all pages forwards and backwards, check that both have the same pages, and return the items."""
    items = matching(project, {})
    page = page_after(items, order, None, n)
    pages = [page]
    while page.after:
        page = page_after(items, order, read_position(str(page.after), order), n)
        pages.append(page)
    for there in reversed(pages[:-1]):
        assert page.before
        page = page_before(items, order, read_position(str(page.before), order), n)
        assert page.keys == there.keys
    assert page.before is None
    return [pk for page in pages for pk in page.keys]


@pytest.mark.parametrize("name", ORDERS)
def test_pages_in_every_order_hold_every_item_once_and_neighbours_are_those_in_the_order(
    project: Project, name: str
) -> None:
    order, items = ORDERS[name], matching(project, {})
    newest = list(project.items.labeled().order_by("-labeled_at", "-pk").values_list("pk", flat=True))
    first = {
        "newest": numbers(project, newest), "agreement": [1, 0, 3, 4, 5], "margin": [7, 6, 8], "imported": [],
    }[name]  # fmt: skip
    rest = [number for number in range(12) if number not in first]
    for n in (1, 5, 12, 50):
        assert numbers(project, walk(project, order, n)) == first + rest
    ids = page_after(items, order, None, 50).keys
    for place, pk in enumerate(ids):
        item = Item.objects.select_related("task").get(pk=pk)
        expected = (ids[place - 1] if place else None, ids[place + 1] if place + 1 < len(ids) else None)
        assert rows_beside(items, order, position_of(item, order)) == expected


def test_a_place_stays_where_it_is_when_the_item_moves(project: Project) -> None:
    order = ORDERS["newest"]
    items = matching(project, {})
    ids = page_after(items, order, None, 50).keys
    item = Item.objects.get(pk=ids[1])
    place = position_of(item, order)
    correct(item=item, user=User.objects.get(username="mona"), value=9)
    assert page_after(items, order, None, 1).keys == [item.pk]
    assert rows_beside(items, order, place) == (ids[0], ids[2])


NO_PLACES = [
    "", "1", "1~2", "2~~1", "0~x~1", "0~2026-01-01~1", "0~~1", "1~~-1", "1~~²", "1~~" + "9" * 19, "0~nan~1", "1~~1~1",
    # No database has a time for these: in UTC they lie outside the calendar.
    "0~0001-01-01T00:00:00+14:00~1", "0~9999-12-31T23:59:59-14:00~1",
]  # fmt: skip


def test_what_is_no_place_is_refused() -> None:
    for text in NO_PLACES:
        for name in ("newest", "margin"):
            with pytest.raises(ValueError):  # noqa: PT011  whatever it says: nobody reads it
                read_position(text, ORDERS[name])


def test_in_states_without_labels_there_is_nothing_to_sort_by_and_counting_ends_somewhere(project: Project) -> None:
    assert order_for({"state": "unlabeled"}, "newest") == ORDERS["imported"]
    assert order_for({"state": "labeled"}, "no such order") == ORDERS["newest"]
    assert order_for({"state": "open"}, "margin") == ORDERS["margin"]
    items = matching(project, {})
    assert [count_up_to(items, most) for most in (11, 12, 13)] == [(11, True), (12, False), (12, False)]


def test_what_waits_for_a_manager_is_counted_in_one_query(project: Project, django_assert_num_queries: Any) -> None:
    other = make_project("other")
    make_open_batch(other, make_items(other, 2))
    with django_assert_num_queries(1):
        found = attention_of(project)
    assert (found.flagged, found.disagreement, found.undecided, found.skipped, found.any) == (1, 1, 0, 1, True)
    mona = make_member(project, "mona", Role.MANAGER)
    for number in (1, 2, 4):
        item = project.items.order_by("pk")[number]
        correct(item=item, user=mona, value=item.label or 3)
    assert not attention_of(project).any
    assert not attention_of(other).any
