"""Test that the settings page predicts the result of the selection."""

import re
from decimal import Decimal
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.insight.pace import Pace
from labeling.insight.pool_counts import PoolCounts
from labeling.labels.resolving.posterior import AnswerSpace
from labeling.models import Project
from labeling.models.batches import SEED, answers_needed
from labeling.projects.privacy.budgets import Budget, Spent
from labeling.projects.settings import ON_PAGE, SETTINGS
from labeling.storage.arrays import batch_plan
from labeling.web.settings import forecast
from labeling.web.settings.consequences import NAMES, changes, consequences_of
from labeling.web.settings.standing import Standing, next_batch, person_hours, rounds_left
from models_store.privacy.config import PrivacyConfig
from selector.strategies import STRATEGIES

SAVED = Project(
    strategy="cluster-margin",
    batch_size=100,
    candidate_factor=5.0,
    control_share=0.2,
    overlap=1,
    complete_share=0.9,
    currency="EUR",
    show_suggestions=False,
)
PACE = Pace(seconds=3.6, answers=240, active=2, annotators=4)
STANDING = Standing(pool=PoolCounts(1797, 360), pace=PACE)


def changed(**changes: Any) -> Project:
    return Project(**{**{name: getattr(SAVED, name) for name in SETTINGS}, **changes})


def said(standing: Standing = STANDING, saved: Project = SAVED, typed: Project | None = None) -> dict[str, str]:
    """Return the text of each consequence: "saved value → typed value, with its detail"."""
    found = consequences_of(standing, saved, typed)
    return {
        row.key: f"{f'{row.was} → ' if row.changed else ''}{row.now} {row.detail}".strip().replace("\u00a0", " ")
        for row in found.batch + found.over_all
    }


def pick(
    pool: batch_plan.Pool, strategy: str, batch_size: int, candidate_factor: float, control_share: float
) -> batch_plan.Plan:
    rows = int(pool.rows.max(initial=-1)) + 1
    return batch_plan.plan_batch(
        pool,
        batch_size=batch_size,
        control_share=control_share,
        strategy=strategy,
        candidate_factor=candidate_factor,
        margins=np.linspace(0, 1, rows, dtype=np.float32),
        clusters=np.arange(rows) // 3,
        entropies=np.linspace(1, 0, rows, dtype=np.float32),
        embeddings=np.ones((rows, 1), np.float32),
        errors=np.ones((rows, 1), np.float32),
        rng=np.random.default_rng(0),
    )


@settings(deadline=None)  # the first call loads compiled code
@given(
    unlabeled=st.integers(1, 300),
    reserved_share=st.floats(0, 1),
    batch_size=st.integers(1, 400),
    candidate_factor=st.floats(1, 20),
    control_share=st.floats(0, 0.9),
    strategy=st.sampled_from([*STRATEGIES, SEED]),
)
def test_the_sizes_are_those_of_the_plan(
    unlabeled: int,
    reserved_share: float,
    batch_size: int,
    candidate_factor: float,
    control_share: float,
    strategy: str,
) -> None:
    reserved = int(unlabeled * reserved_share)
    rows = np.arange(unlabeled)
    pool = batch_plan.Pool(rows=rows, reserved=rows < reserved, control_keys=rows / unlabeled)
    planned = pick(pool, "uniform" if strategy == SEED else strategy, batch_size, candidate_factor, control_share)
    predicted = next_batch(
        Standing(PoolCounts(unlabeled, reserved), PACE, first=strategy == SEED),
        changed(
            batch_size=batch_size,
            candidate_factor=candidate_factor,
            control_share=control_share,
            strategy="cluster-margin" if strategy == SEED else strategy,
        ),
    )
    control = int(planned.is_control.sum())
    assert (predicted.picked, predicted.candidates, predicted.control) == (
        len(planned.rows) - control,
        planned.candidates,
        control,
    )


@settings(deadline=None)
@given(
    unlabeled=st.integers(0, 120),
    reserved_share=st.floats(0, 1),
    batch_size=st.integers(1, 60),
    control_share=st.floats(0, 0.9),
)
def test_so_many_rounds_empty_the_pool(
    unlabeled: int, reserved_share: float, batch_size: int, control_share: float
) -> None:
    rows = np.arange(unlabeled)
    reserved = rows < int(unlabeled * reserved_share)
    rounds = 0
    left = rows
    while len(left):
        pool = batch_plan.Pool(rows=left, reserved=reserved[left], control_keys=left / unlabeled)
        left = np.setdiff1d(left, pick(pool, "cluster-margin", batch_size, 2.0, control_share).rows)
        rounds += 1
    assert rounds_left(PoolCounts(unlabeled, int(reserved.sum())), batch_size) == rounds


@given(st.integers(1, 10**6), st.integers(1, 25), st.floats(0.1, 1))
def test_a_deadline_asks_for_at_least_one_answer_and_never_for_more_than_all(
    size: int, overlap: int, share: float
) -> None:
    assert 1 <= answers_needed(size, overlap, share) <= size * overlap
    assert answers_needed(10, 1, 0.7) == 7


@given(st.integers(1, 10**6), st.integers(1, 25), st.floats(0.1, 600))
def test_work_grows_with_items_people_and_seconds(items: int, overlap: int, seconds: float) -> None:
    pace = Pace(seconds=seconds, answers=10, active=1, annotators=1)
    hours = person_hours(items, changed(overlap=overlap), pace)
    assert hours == pytest.approx(items * overlap * seconds / 3600)


def test_what_is_saved() -> None:
    expected = {
        "size": "100 80 picked, 20 for control",
        "candidates": "400 that the model is least sure of",
        "share": "5.6 % of 1,797 unlabeled items",
        "answers": "1 of people",
        "wrong": "about 8.6 % assuming that people are right 90 % of the time, without predictions",
        "hours": "6 min of labeling",
        "cost": "– no cost of an hour is set",
        "done": "3 min if 2 people label at once",
        "certainty": "± 20.1 points by 20 control items then",
        "deadline": "none a batch ends with its last answer",
        "privacy": "none trainings are not private",
        "rounds": "18 until no item is left",
        "all-hours": "1 h 48 min of labeling",
        "all-cost": "– no cost of an hour is set",
    }
    assert consequences_of(STANDING, SAVED).warnings == []
    rows = said()
    assert {key: rows[key] for key in expected} == expected
    assert rows.keys() == NAMES.keys() - forecast.NAMES.keys()


def test_what_would_change_stands_beside_it() -> None:
    rows = said(typed=changed(batch_size=200, hourly_cost=Decimal(30)))
    assert rows["hours"] == "6 min → 12 min of labeling"
    assert rows["rounds"] == "18 → 9 until no item is left"
    assert rows["cost"] == "– → EUR 6.00"
    assert rows["all-cost"] == "– → EUR 53.91"
    assert "→" not in rows["deadline"]
    found = consequences_of(STANDING, SAVED, changed(overlap=2))
    assert changes(found.batch) == (
        "Answers an item: 2 instead of 1; Labels that are wrong: about 1.7\u00a0% instead of about 8.6\u00a0%; "
        "Work: 12\u00a0min instead of 6\u00a0min; Done in: 6\u00a0min instead of 3\u00a0min"
    )
    assert changes(consequences_of(STANDING, SAVED).batch) == ""


def test_every_strategy_says_where_it_picks_from() -> None:
    for strategy, candidates in {
        "margin": "80 that the model is least sure of",
        "entropy": "80 that the model is least sure of",
        "uniform": "1,437 all, at random",
        "coreset": "1,437 all, for what is unlike the rest",
        "typicality": "1,437 all, for what is typical of groups with few labels",
        "badge": "1,437 all, for what would change the model most",
    }.items():
        assert said(typed=changed(strategy=strategy))["candidates"] == f"400 → {candidates}"
    first = Standing(pool=STANDING.pool, pace=PACE, first=True)
    assert said(first)["candidates"] == "1,437 all: there is no model yet"
    only_control = Standing(pool=PoolCounts(30, 30), pace=PACE)
    assert said(only_control)["candidates"] == "– only control items are left"


def test_more_control_items_make_accuracy_better_known() -> None:
    known = Standing(pool=STANDING.pool, pace=PACE, measured=100, waiting=20, accuracy=0.9)
    assert said(known)["certainty"] == "± 5.0 points by 140 control items then"
    assert said(typed=changed(control_share=0))["certainty"].endswith("– not measured: no control items")


def test_a_pace_that_is_not_known_is_said_to_be_assumed() -> None:
    nobody = Standing(pool=STANDING.pool, pace=Pace(None, 0, 0, 1))
    assert said(nobody)["done"] == "8 min by one person: no answers in the last 7 days"
    assert consequences_of(nobody, SAVED).basis == "No pace measured yet: 5\u00a0s an answer are assumed."
    assert "3.6\u00a0s an answer, the median of the newest 240 answers" in consequences_of(STANDING, SAVED).basis


def test_the_deadline_and_the_items_kept_ready() -> None:
    rows = said(typed=changed(deadline_hours=24.0, overlap=2))
    assert rows["deadline"] == "none → 24 h then it ends if 180 of 200 answers are there"
    assert said()["ready"] == "10 about 36 s of work; the lease is 3 min"
    typed = changed(kept_ready=100)
    assert said(typed=typed)["ready"] == "10 → 50 more do not fit in a lease of 3 min: 100 need 6 min"
    typed.lease_seconds = 600
    assert said(typed=typed)["ready"] == "10 → 100 about 6 min of work; the lease is 10 min"


def test_what_nobody_would_want_is_warned_of() -> None:
    def warned(warning: str, standing: Standing = STANDING, **change: Any) -> bool:
        return any(warning in text for text in consequences_of(standing, SAVED, changed(**change)).warnings)

    assert warned("5 people answer each item, and 4 members may label: no batch can be completed.", overlap=5)
    assert warned("No item is left to label.", Standing(pool=PoolCounts(0, 0), pace=PACE))
    assert warned("Only 3 control items are left.", Standing(pool=PoolCounts(1000, 3), pace=PACE))
    assert warned("it would not end the batch", batch_size=1000, deadline_hours=0.1)


def test_a_privacy_budget_is_told_as_the_noise_that_it_comes_to() -> None:
    assert said()["privacy"] == "none trainings are not private"
    few = said(typed=changed(privacy_epsilon=4.0, privacy_trainings=3))["privacy"]
    found = re.fullmatch(r"none → noise of ([\d.]+) 3 trainings left; about ([\d,]+) labels are needed", few)
    assert found, few
    ledger = Budget(4.0, 1e-6, 3)
    assert float(found[1]) == round(ledger.noise_of_each(80, 3, Spent()), 1)
    many = said(Standing(pool=PoolCounts(90_000, 0), pace=PACE, labels=30_000), typed=changed(privacy_epsilon=8.0))
    assert "there are labels enough for it" in many["privacy"]


def test_noise_that_is_given_is_told_as_the_trainings_that_it_leaves() -> None:
    given = changed(privacy_epsilon=4.0, privacy_noise=60.0)
    assert re.fullmatch(r"none → noise of 60.0 \d+ trainings left; .*", said(typed=given)["privacy"])


@pytest.mark.long
def test_a_budget_that_is_spent_is_told_before_it_stops_a_batch() -> None:
    spent = Spent(1, tuple(PrivacyConfig(epsilon=4.0, delta=1e-6).phases(80)))
    standing = Standing(pool=STANDING.pool, pace=PACE, spent=spent)
    saved = changed(privacy_epsilon=4.0, privacy_trainings=1)
    assert said(standing, saved)["privacy"] == "no training the budget is spent: the next batch would stop"
    raised = said(standing, saved, changed(privacy_epsilon=8.0, privacy_trainings=2))["privacy"]
    assert raised.startswith("no training → noise of ")
    assert said(standing, saved, SAVED)["privacy"] == "no training → none trainings are not private"


def test_more_people_where_it_is_worth_it_cost_less_than_everybody_three_times() -> None:
    good = Standing(pool=PoolCounts(1797, 360), pace=PACE, accuracies=[0.97, 0.97, 0.96, 0.7], space=AnswerSpace(10))
    rows = said(good, changed(overlap=3), changed(overlap_max=4))
    three, adaptive = rows["answers"].split(" → ")
    assert three == "3"
    assert float(adaptive.split()[0]) < 0.55 * 3
    assert "estimated from how people agree" in rows["wrong"]


def test_a_warning_says_why_gold_is_not_asked() -> None:
    standing = Standing(pool=STANDING.pool, pace=PACE, gold_notice="No gold item has a suggestion.")
    for shown, share in ((True, 0.1), (False, 0.1), (True, 0.0)):
        warned = consequences_of(standing, changed(show_suggestions=shown, gold_share=share)).warnings
        assert ("No gold item has a suggestion." in warned) == (shown and share > 0)


class Noted:
    """The settings of a project, which record the names of the settings read."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.project, name)


def test_consequences_depend_on_the_settings_that_are_declared_so() -> None:
    noted = Noted(changed(near_copies=3, deadline_hours=2.0, hourly_cost=Decimal(3), privacy_epsilon=4.0))
    consequences_of(STANDING, cast(Any, noted))
    declared = {name for name, setting in ON_PAGE.items() if setting.has_consequence}
    assert noted.read == declared - {"mean_cluster_size"}, "that one needs a sample of the pool"
