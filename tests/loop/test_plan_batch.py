"""Test the plan of a batch: the control slice, the other items, and that no item is in both."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.storage.arrays.batch_plan import Guard, Plan, Pool, plan_batch
from selector.strategies import STRATEGIES


def plan(pool: Pool, seed: int = 0, **overrides: object) -> Plan:
    rows = int(pool.rows.max(initial=-1)) + 1
    rng = np.random.default_rng(seed + 1)
    values = {
        "batch_size": 10,
        "control_share": 0.2,
        "strategy": "cluster-margin",
        "candidate_factor": 2.0,
        "margins": rng.random(rows).astype(np.float32),
        "clusters": rng.integers(0, max(1, rows // 4), rows),
        "rng": np.random.default_rng(seed),
    }
    return plan_batch(pool, **{**values, **overrides})


def pool(n: int, reserved_share: float = 0.3, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    keys = rng.random(n)
    return Pool(np.sort(rng.choice(2 * n + 1, n, replace=False)), keys < reserved_share, keys)


def test_control_slice_is_the_front_of_the_reserved_permutation() -> None:
    items = pool(200)
    picked = plan(items)
    reserved = items.rows[items.reserved][np.argsort(items.control_keys[items.reserved])]
    assert set(picked.rows[picked.is_control]) == set(reserved[:2])


def test_reserved_items_are_never_picked_by_margin_while_others_are_left() -> None:
    items = pool(200)
    margins = np.ones(int(items.rows.max()) + 1, np.float32)
    margins[items.rows[items.reserved]] = 0  # the model doubts exactly the reserved ones
    picked = plan(items, margins=margins)
    assert not np.isin(picked.rows[~picked.is_control], items.rows[items.reserved]).any()


def test_margins_are_looked_up_by_row_not_by_place_in_the_pool() -> None:
    items = Pool(np.arange(100, 200), np.zeros(100, bool), np.full(100, 0.9))
    margins = np.ones(200, np.float32)
    margins[150:160] = 0
    picked = plan(items, margins=margins, strategy="margin", clusters=None, control_share=0.0)
    assert set(picked.rows) == set(range(150, 160))


@given(st.integers(1, 200), st.integers(1, 40), st.booleans(), st.integers(0, 2**32))
@settings(deadline=None)
def test_without_a_candidate_factor_each_item_comes_from_another_cluster(
    n: int, clusters: int, guarded: bool, seed: int
) -> None:
    items = pool(n, seed=seed)
    rng = np.random.default_rng(seed)
    rows = int(items.rows.max()) + 1
    arrays = {"margins": rng.permutation(rows) / rows, "clusters": rng.integers(0, clusters, rows)}
    guard = Guard(rng.integers(0, 3, rows), 3, 2.0) if guarded else None
    picked = plan(items, seed, candidate_factor=None, guard=guard, **arrays)
    others = items.rows[~items.reserved]
    wanted = len(picked.rows) - int(picked.is_control.sum())
    if not guarded and len(np.unique(arrays["clusters"][others])) >= wanted and picked.candidates < 10 * wanted:
        assert len(np.unique(picked.clusters[~picked.is_control])) == wanted
    again = plan(items, seed, candidate_factor=picked.candidate_factor, guard=guard, **arrays)
    assert again.rows.tolist() == picked.rows.tolist(), "what was found is enough to replay it"
    assert again.candidates == picked.candidates


def test_first_batch_needs_no_model() -> None:
    picked = plan(pool(50), strategy="uniform", margins=None, clusters=None)
    assert len(picked.rows) == 10
    assert (picked.clusters == -1).all()


def test_place_in_the_batch_does_not_tell_control_tasks() -> None:
    places = np.concatenate([np.flatnonzero(plan(pool(300, seed=s), seed=s).is_control) for s in range(200)])
    assert abs(places.mean() - 4.5) < 0.6
    assert set(places) == set(range(10))


@settings(deadline=None)  # the first call loads compiled code
@given(
    n=st.integers(0, 60),
    batch_size=st.integers(1, 80),
    reserved_share=st.floats(0, 1),
    control_share=st.floats(0, 0.9),
    strategy=st.sampled_from(list(STRATEGIES)),
    class_guard=st.none() | st.floats(1, 3),
    seed=st.integers(0, 1000),
)
def test_any_pool_gives_a_full_batch_of_distinct_items(
    n: int,
    batch_size: int,
    reserved_share: float,
    control_share: float,
    strategy: str,
    class_guard: float | None,
    seed: int,
) -> None:
    items = pool(n, reserved_share, seed)
    rng = np.random.default_rng(seed)
    rows = int(items.rows.max(initial=-1)) + 1
    arguments = {
        "batch_size": batch_size,
        "control_share": control_share,
        "strategy": strategy,
        "entropies": rng.random(rows),
        "embeddings": rng.normal(size=(rows, 3)),
        "errors": rng.normal(size=(rows, 2)),
        "guard": Guard(rng.integers(4, size=rows), 4, class_guard) if class_guard else None,
    }
    picked = plan(items, seed, **arguments)
    assert len(picked.rows) == min(batch_size, n)
    assert len(set(picked.rows)) == len(picked.rows)
    assert np.isin(picked.rows, items.rows).all()
    # Control tasks are exactly the reserved items among them.
    assert (picked.is_control == np.isin(picked.rows, items.rows[items.reserved])).all()
    again = plan(items, seed, **arguments)
    assert (again.rows == picked.rows).all()


def test_the_guard_is_laid_over_what_is_picked_and_not_over_the_control_slice() -> None:
    items = pool(200)
    classes = np.where(np.arange(int(items.rows.max()) + 1) % 10 < 8, 0, 1)
    picked = plan(items, guard=Guard(classes, 2, 1.0), strategy="margin")
    assert np.bincount(classes[picked.rows[~picked.is_control]]).tolist() == [4, 4]
    assert picked.is_control.sum() == 2


def test_coreset_keeps_away_from_labeled_rows() -> None:
    items = Pool(np.arange(5, 10), np.zeros(5, bool), np.full(5, 0.9))
    embeddings = np.array([[9.0], [0], [0], [0], [0], [8], [1], [2], [3], [4]])
    labeled = np.array([0, 1])
    picked = plan(items, strategy="coreset", embeddings=embeddings, labeled_rows=labeled, batch_size=1)
    assert picked.rows.tolist() == [9]


@given(st.integers(1, 120), st.integers(0, 40), st.integers(0, 2**32))
@settings(deadline=None)
def test_what_a_manager_asked_for_comes_before_all_others(n: int, n_asked: int, seed: int) -> None:
    items = pool(n, seed=seed)
    asked = np.random.default_rng(seed).choice(2 * n + 1, min(n_asked, 2 * n + 1), replace=False)
    picked = plan(items, seed, asked=asked)
    room = len(plan(items, seed).rows) - int(picked.is_control.sum())
    fit = [row for row in asked if row in items.rows[~items.reserved]]
    assert set(picked.rows[picked.is_asked]) == set(fit[:room])
    assert len(set(picked.rows.tolist())) == len(picked.rows) == len(plan(items, seed).rows)
    assert not (picked.is_asked & picked.is_control).any()
    assert (np.diff(picked.is_asked[~picked.is_control].astype(int)) <= 0).all(), "given out first"
    assert (picked.passes[picked.is_asked] == -1).all()
    reserved = items.rows[items.reserved][np.argsort(items.control_keys[items.reserved])]
    control = picked.rows[picked.is_control]
    assert set(control) == set(reserved[: len(control)]), "what is asked for does not touch the control slice"
