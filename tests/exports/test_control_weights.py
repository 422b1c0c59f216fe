"""Test that weighted control items estimate the pool, by repeated draws of pools, and that splits part no group and
no near-copies.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from factories import make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.models import Batch, Copy, Item, Project
from labeling.outgoing.exports import choose, export
from labeling.outgoing.exports.rows import pages
from labeling.outgoing.exports.splits import SPLITS, split_of, with_splits
from labeling.outgoing.exports.weights import Drawn, Weights, imported_rows, level_ends, weights_of
from labeling.outgoing.formats import DATASETS, TOOLS
from labeling.storage.arrays.batch_plan import Pool, plan_batch
from tests.extent import some

POOLS = 400


@dataclass
class Loop:
    """Draws batches from a growing pool, as the pipeline does."""

    share: float
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.keys = np.empty(0)
        self.taken = np.empty(0, bool)
        self.control = np.empty(0, np.int64)
        self.by_batch: list[tuple[Drawn, int]] = []

    def imported(self, n: int) -> None:
        self.keys = np.concatenate([self.keys, self.rng.random(n)])
        self.taken = np.concatenate([self.taken, np.zeros(n, bool)])

    def batch(self, size: int) -> None:
        rows = np.flatnonzero(~self.taken)
        plan = plan_batch(
            Pool(rows, self.keys[rows] < self.share, self.keys[rows]),
            batch_size=size,
            control_share=self.share,
            strategy="uniform",
            candidate_factor=5,
            margins=None,
            clusters=None,
            rng=self.rng,
        )
        self.taken[plan.rows] = True
        drawn = plan.rows[plan.is_control]
        self.control = np.concatenate([self.control, drawn])
        if len(drawn):
            self.by_batch.append((Drawn(len(self.keys), self.keys[drawn].max()), len(drawn)))

    def weights(self) -> np.ndarray:
        """Return the weight of each control item, all of them labeled."""
        ends = level_ends([drawn for drawn, _ in self.by_batch])
        level = np.searchsorted(ends, self.control, side="right")
        labeled = np.bincount(level, minlength=len(ends))
        sizes = np.diff([0, *ends])
        weights = Weights(ends, [size / n if n else None for size, n in zip(sizes, labeled, strict=True)])
        return np.array([weights.of(int(row)) for row in self.control], float)


def no_import(loop: Loop) -> None:
    loop.imported(400)
    for _ in range(3):
        loop.batch(50)


def right_after_an_import(loop: Loop) -> None:
    """Simulate an import just before a batch, which draws nearly all its control items from the new items."""
    loop.imported(400)
    for _ in range(4):
        loop.batch(50)
    loop.imported(400)
    loop.batch(40)


def long_after_an_import(loop: Loop) -> None:
    loop.imported(400)
    loop.batch(50)
    loop.imported(400)
    for _ in range(5):
        loop.batch(50)


def a_trickle(loop: Loop) -> None:
    """Simulate the import of a few items before every batch."""
    loop.imported(300)
    for _ in range(8):
        loop.batch(30)
        loop.imported(12)


def used_up(loop: Loop) -> None:
    """Simulate batches until the pool is empty."""
    loop.imported(60)
    for _ in range(4):
        loop.batch(20)


@pytest.mark.parametrize(
    "happens", some([no_import, right_after_an_import, long_after_an_import, a_trickle, used_up], 2)
)
def test_weighted_control_items_tell_the_pool(happens: object) -> None:
    """On average over many draws, the weighted sum is the pool's, although owls are rare in early items and common
    later.
    """
    errors, owls = [], []
    for seed in range(POOLS):
        loop = Loop(share=0.2, rng=np.random.default_rng(seed))
        happens(loop)  # type: ignore[operator]
        reach = loop.by_batch[-1][0].pool_rows
        is_owl = loop.rng.random(reach) < np.where(np.arange(reach) < 400, 0.2, 0.7)
        weights = loop.weights()
        assert weights.sum() == pytest.approx(reach)
        owls.append(is_owl.sum())
        errors.append((weights * is_owl[loop.control]).sum() - is_owl.sum())
    standard_error = np.std(errors) / np.sqrt(POOLS)
    assert abs(np.mean(errors)) < 3.5 * standard_error + 1e-9, (np.mean(errors), standard_error)
    assert abs(np.mean(errors)) < 0.02 * np.mean(owls)


def test_levels_end_where_a_batch_went_further_than_all_later_ones() -> None:
    assert level_ends([]) == []
    assert level_ends([Drawn(10, 0.5), Drawn(20, 0.2), Drawn(30, 0.3)]) == [10, 30]
    assert level_ends([Drawn(10, 0.1), Drawn(10, 0.2), Drawn(30, 0.3)]) == [30]
    weights = Weights([10, 30], [2.0, None])
    assert [weights.of(row) for row in (0, 9, 10, 29, 30, None)] == [2.0, 2.0, None, None, None, None]


def labeled_rows(project: Project) -> list[dict[str, object]]:
    return [row for page in pages(project) for row in page]


@pytest.mark.django_db
def test_in_an_export_the_weights_sum_to_the_pool() -> None:
    project = make_project()
    ann = make_member(project, "ann")
    items = make_items(project, 20, control_every=4)  # rows 0, 4, … 16 are reserved, with keys in this order
    first = make_batch(project, items[:10])  # control rows 0, 4 and 8
    answer(first, ann, [0] * 10)
    train(first)
    later = make_items(project, 20, control_every=4)
    Item.objects.filter(pk__in=[item.pk for item in later]).update(control_key=0.001)
    second = make_batch(project, later[:5])  # rows 20 and 24, both with keys in front of what was drawn
    answer(second, ann, [0])  # of which row 24 is not answered yet
    control = [row for row in labeled_rows(project) if row["is_control"]]
    assert [(row["batch"], row["control_weight"]) for row in control] == [(1, 20 / 3)] * 3 + [(2, 20 / 1)]
    assert [row["control_probability"] for row in control] == [3 / 20] * 3 + [2 / 40]
    assert {row["control_weight"] for row in labeled_rows(project) if not row["is_control"]} == {None}


@pytest.mark.django_db
def test_a_skipped_control_item_weighs_nothing_and_the_rest_stand_in_for_it() -> None:
    project = make_project()
    batch = make_batch(project, make_items(project, 12, control_every=3)[:6])
    answer(batch, make_member(project, "ann"), [0, 1, 1, "skip", 1, 1])
    assert [row["control_weight"] for row in labeled_rows(project) if row["is_control"]] == [12.0]


@pytest.mark.django_db
def test_items_that_came_with_their_label_are_no_part_of_what_control_items_stand_for() -> None:
    project = make_project()
    items = make_items(project, 20, control_every=5)
    imported = make_batch(project, [item for item in items if not item.reserved][:6], strategy="imported")
    answer(imported, make_member(project, "ann"), [0] * 6)
    batch = make_batch(project, [item for item in items if item.reserved])
    answer(batch, make_member(project, "ann"), [0] * 4)
    Batch.objects.filter(pk=batch.pk).update(pool_rows=20, control_tasks=4)
    weights = weights_of(project, imported_rows(project))
    assert sum(weights.of(item.row) for item in items if item.reserved) == 20 - 6
    assert {row["control_probability"] for row in labeled_rows(project)} == {None, 4 / 14}


NAMES = [f"item-{n:04}" for n in range(30)]


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


def test_splits_are_eighty_ten_ten() -> None:
    names = [split_of(f"id {number}") for number in range(5000)]
    assert [names.count(name) / 5000 for name in SPLITS[:3]] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


@pytest.mark.django_db
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


@pytest.mark.django_db
def test_near_copies_cost_a_query_a_page(django_assert_num_queries: object) -> None:
    project, items = labeled(14)
    choice = choose(project, {})
    rows = list(pages(project, choice, size=7))
    link(items[3], items[2])
    with django_assert_num_queries(1 + 2 + 1):  # type: ignore[operator]  # the second page has none
        list(with_splits(project, rows))


@pytest.mark.django_db
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
