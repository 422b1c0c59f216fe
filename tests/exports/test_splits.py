"""Test the splits of exported items: no group and no near-copy that the project knows is in two of them."""

from itertools import pairwise

import pytest
from factories import certify, make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.models import Copy, Item, Project
from labeling.outgoing.exports import choose, export
from labeling.outgoing.exports.rows import pages
from labeling.outgoing.exports.splits import SPLITS, split_of, with_splits
from labeling.outgoing.formats import DATASETS, TOOLS

NAMES = [f"item-{n:04}" for n in range(30)]

pytestmark = pytest.mark.django_db


def splits(project: Project, **filters: str) -> dict[str, str]:
    rows = with_splits(project, pages(project, choose(project, filters), size=7))
    return {row["external_id"]: row["split"] for page in rows for row in page}


def labeled(count: int) -> tuple[Project, list[Item]]:
    project = make_project(classes=["cat", "dog"])
    items = make_items(project, count)
    answer(make_batch(project, items), make_member(project, "ann"), [0] * count)
    return project, items


def link(copy: Item, of: Item) -> None:
    batch = of.project.batches.first()
    assert batch is not None
    Copy.objects.create(of=of, item=copy, batch=batch, height=0.25)


def set_group(item: Item, group: str | int) -> None:
    Item.objects.filter(pk=item.pk).update(data={"text": "a", "group": group})


def test_eighty_ten_ten() -> None:
    names = [split_of(f"id {number}") for number in range(5000)]
    assert [names.count(name) / 5000 for name in SPLITS[:3]] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_near_copies_are_in_one_split_also_if_each_was_labeled() -> None:
    project, items = labeled(40)
    for source, copy in zip(items[:20], items[20:], strict=True):
        link(copy, source)
    found = splits(project)
    assert {found[item.external_id] for item in items[:20]} > {"train"}
    for source, copy in zip(items[:20], items[20:], strict=True):
        assert found[copy.external_id] == found[source.external_id] == split_of(source.external_id)


def test_a_chain_of_near_copies_goes_with_its_first_item_and_the_group_of_that() -> None:
    project, items = labeled(30)
    for before, item in pairwise(items):
        link(item, before)
    assert set(splits(project).values()) == {split_of("item-0000")}
    set_group(items[0], 7)
    assert set(splits(project).values()) == {split_of("7")}
    set_group(items[10], "own")
    found = splits(project)
    assert {found[name] for name in NAMES[:10]} == {split_of("7")}
    assert {found[name] for name in NAMES[10:]} == {split_of("own")}, "a group of its own comes first"


def test_certified_labels_have_splits_of_their_own() -> None:
    project, _ = labeled(2)
    certify(project, dict.fromkeys(make_items(project, 3), 1), version=train(project.batches.get()))
    found = splits(project, certified="yes")
    assert [found[name] for name in NAMES[2:5]] == [f"certified_{split_of(name)}" for name in NAMES[2:5]]


def test_near_copies_cost_a_query_a_page(django_assert_num_queries: object) -> None:
    project, items = labeled(14)
    choice = choose(project, {})
    rows = list(pages(project, choice, size=7))
    link(items[3], items[2])
    with django_assert_num_queries(1 + 2 + 1):  # type: ignore[operator]  # the second page has none
        list(with_splits(project, rows))


@pytest.mark.parametrize("form", [*DATASETS, *TOOLS])
def test_a_class_renamed_or_added_meanwhile_breaks_no_stream(form: str) -> None:
    project, items = labeled(3)
    chunks = export(project, form)
    content = [next(chunks)]
    project.classes.filter(index=0).update(name="Cat")
    project.classes.create(index=2, name="bird")
    Item.objects.filter(pk=items[1].pk).update(label=2)
    content += chunks
    assert b"".join(content)
    assert len(list(export(project, "jsonl"))) == 1
