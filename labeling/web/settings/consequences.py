"""What settings lead to, before they are saved. Values in, words out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from labeling.arrays.forecast import BatchForecast, Sample, forecast_batch
from labeling.arrays.sizes import divide
from labeling.insight.certainty import half_width
from labeling.insight.pace import Pace
from labeling.insight.pool import PoolCounts
from labeling.loop.ledger import Budget, Spent, labels_needed
from labeling.models import Project
from labeling.models.batches import PROMPTED_SHARE, answers_needed
from labeling.resolving.outlook import Outlook, Rule, outlook
from labeling.resolving.posterior import ACCURACY
from labeling.web.settings import forecast
from labeling.web.shared.words import HOUR, NBSP, count, duration, figure, money, number, percent

# What an answer is taken to need until somebody has given some.
ASSUMED_SECONDS = 5.0


# What strategies that have no candidates do with the pool.
FROM_THE_WHOLE_POOL = {
    str(Project.Strategy.UNIFORM): "all, at random",
    str(Project.Strategy.CORESET): "all, for what is unlike the rest",
    str(Project.Strategy.BADGE): "all, for what would change the model most",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that have consequences to be told."""

    strategy: str
    batch_size: int
    candidate_factor: float | None
    control_share: float
    overlap: int
    complete_share: float
    overlap_max: int | None = None
    label_confidence: float = 0.95
    check_share: float = 0.05
    mean_cluster_size: float = 5.0
    class_guard: float | None = None
    near_copies: int = 0
    copy_checks: float = 0.1
    show_predictions: bool = False
    show_suggestions: bool = False
    deadline_hours: float | None = None
    hourly_cost: Decimal | None = None
    currency: str = ""
    privacy_epsilon: float | None = None
    privacy_delta: float = 1e-6
    privacy_trainings: int = 10
    privacy_noise: float | None = None


# Their names on the project and in the form.
TELLING = tuple(Terms.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the project stands. `first`: there is no model yet. `accuracy` is the newest version's on `measured`
    control items; `waiting` control items are in the open batch and will be measured whatever is set now. `sample` of
    the pool: the forecast stands on it. `labels` are those that a training could learn from now, and
    `spent` is what private ones have cost. `suggestions`: items came with some.
    """

    pool: PoolCounts
    pace: Pace
    first: bool = False
    accuracies: Sequence[float] = ()
    n_values: int = 2
    measured: int = 0
    waiting: int = 0
    accuracy: float | None = None
    sample: Sample | None = None
    labels: int = 0
    spent: Spent = field(default_factory=Spent)
    suggestions: bool = False


@dataclass(frozen=True, slots=True)
class NextBatch:
    """`picked` of the `candidates`, and `control` at random. Candidates are None where they depend on the clusters."""

    picked: int
    candidates: int | None
    control: int

    @property
    def size(self) -> int:
        return self.picked + self.control


@dataclass(frozen=True, slots=True)
class Row:
    """One consequence: of what is saved, and of what is typed if that is another; `detail` belongs to what is typed."""

    key: str
    name: str
    was: str
    now: str
    detail: str = ""

    @property
    def changed(self) -> bool:
        return self.was != self.now


@dataclass(frozen=True, slots=True)
class Told:
    """All consequences; `warnings` are those that nobody would want, `basis` says what the times stand on."""

    batch: list[Row]
    picked: list[Row]
    rest: list[Row]
    basis: str
    picked_basis: str
    warnings: list[str] = field(default_factory=list)


def next_batch(
    pool: PoolCounts,
    *,
    batch_size: int,
    candidate_factor: float | None,
    control_share: float,
    strategy: str = Project.Strategy.CLUSTER_MARGIN,
    first: bool = False,
) -> NextBatch:
    """What the selection would make of the pool: the sizes that `arrays.plan.plan_batch` comes to."""
    others = pool.unlabeled - pool.reserved
    picked, control = divide(others, pool.reserved, batch_size=batch_size, control_share=control_share)
    candidates: int | None
    if first or strategy in FROM_THE_WHOLE_POOL:
        candidates = others
    elif strategy in (Project.Strategy.MARGIN, Project.Strategy.ENTROPY):
        candidates = picked
    else:
        candidates = None if candidate_factor is None else min(others, round(candidate_factor * picked))
    return NextBatch(picked, candidates, control)


def rounds_left(pool: PoolCounts, batch_size: int) -> int:
    """Batches until no item is left: each takes as many as it can."""
    return math.ceil(pool.unlabeled / batch_size)


def told(standing: Standing, saved: Terms, typed: Terms | None = None) -> Told:
    """The consequences of what is saved and, beside them, of what is typed."""
    typed = typed or saved
    before, after = _tell(standing, saved), _tell(standing, typed)
    rows = [Row(key, NAMES[key], before[key][0], *after[key]) for key in after]
    rows = [row for row in rows if (row.was, row.now) != (NO_COPIES, NO_COPIES)]
    return Told(
        batch=[row for row in rows if row.key not in (*REST, *PICKED)],
        picked=[row for row in rows if row.key in PICKED],
        rest=[row for row in rows if row.key in REST],
        basis=_basis(standing.pace),
        picked_basis=forecast.basis(standing.sample, first=standing.first, guarded=typed.class_guard is not None),
        warnings=_warnings(standing, typed),
    )


NAMES = {
    "size": "Items",
    "candidates": "Picked from",
    "share": "Share of the pool",
    "answers": "Answers an item",
    "wrong": "Labels that are wrong",
    "copies": "Near-copies",
    "hours": "Work",
    "cost": "Cost",
    "done": "Done in",
    "certainty": "Accuracy known to",
    "deadline": "Deadline",
    "privacy": "Privacy",
    **forecast.NAMES,
    "rounds": "Rounds",
    "all-hours": "Work",
    "all-cost": "Cost",
}
NO_COPIES = "no items beside"
PICKED = tuple(forecast.NAMES)
REST = ("rounds", "all-hours", "all-cost")


def _tell(standing: Standing, terms: Terms) -> dict[str, tuple[str, str]]:
    """For each consequence its figure, and what belongs to it. Empty if there is no next batch."""
    pool = standing.pool
    if not pool.unlabeled:
        return {}
    batch = _batch(standing, terms)
    surveyed = standing.sample is not None and not standing.first
    outlook = _forecast(standing, terms, batch)
    asked = _asked(standing, terms)
    hours = person_hours(batch.size, terms, standing.pace, asked.answers)
    all_hours = person_hours(pool.unlabeled, terms, standing.pace, asked.answers)
    return {
        "size": (number(batch.size), f"{number(batch.picked)} picked, {number(batch.control)} for control"),
        "candidates": _candidates(batch, terms, outlook, first=standing.first),
        "share": (percent(batch.size / pool.unlabeled), f"of {count(pool.unlabeled, 'unlabeled item')}"),
        "answers": (figure(round(asked.answers, 1)), "of people" if terms.overlap_max is None else "on average"),
        "wrong": _wrong(standing, asked),
        "copies": _copies(batch, terms),
        "hours": (duration(hours * HOUR), "of labeling" if terms.overlap == 1 else f"by {terms.overlap} people each"),
        "cost": _cost(hours, terms),
        "done": _done(hours, terms, standing.pace),
        "certainty": _certainty(standing, _measured(batch, terms, standing)),
        "deadline": _deadline(batch.size, terms),
        "privacy": _privacy(standing, terms, batch.picked),
        **(forecast.rows(outlook) if surveyed else {}),
        "rounds": (number(rounds_left(pool, terms.batch_size)), "until no item is left"),
        "all-hours": (duration(all_hours * HOUR), "of labeling"),
        "all-cost": _cost(all_hours, terms),
    }


def _asked(standing: Standing, terms: Terms) -> Outlook:
    """Answers an item, and how many labels are wrong then. Items are played through only where it is needed."""
    rule = Rule(terms.overlap, terms.overlap_max, terms.label_confidence, terms.check_share)
    return outlook(rule, standing.accuracies or [ACCURACY] * max(standing.pace.annotators, 1), standing.n_values)


def _wrong(standing: Standing, asked: Outlook) -> tuple[str, str]:
    known = "by how people agree" if standing.accuracies else f"if people are right {percent(ACCURACY)} of the time"
    open_items = f"; {percent(asked.undecided)} undecided" if asked.undecided else ""
    return f"about {percent(asked.wrong)}", f"{known}, without the model's word{open_items}"


def _copies(batch: NextBatch, terms: Terms) -> tuple[str, str]:
    if not terms.near_copies:
        return NO_COPIES, ""
    checks = round(terms.copy_checks * batch.size)
    asked = (
        f"; {count(checks, 'task')} of the next batch to check them" if checks else "; none is checked, so none counts"
    )
    return f"up to {number(terms.near_copies * batch.picked)}", f"items with the label of another{asked}"


def _forecast(standing: Standing, terms: Terms, batch: NextBatch) -> BatchForecast | None:
    """What the batch would hold; None where there is nothing to forecast it by."""
    if standing.sample is None or standing.first:
        return None
    return forecast_batch(
        standing.sample,
        strategy=terms.strategy,
        picked=batch.picked,
        candidates=batch.candidates,
        mean_cluster_size=terms.mean_cluster_size,
    )


def _batch(standing: Standing, terms: Terms) -> NextBatch:
    return next_batch(
        standing.pool,
        batch_size=terms.batch_size,
        candidate_factor=terms.candidate_factor,
        control_share=terms.control_share,
        strategy=terms.strategy,
        first=standing.first,
    )


def person_hours(items: int, terms: Terms, pace: Pace, answers: float | None = None) -> float:
    """Hours that people label for so many items, with so many answers each: the overlap, if it is not known better."""
    seconds = ASSUMED_SECONDS if pace.seconds is None else pace.seconds
    return items * (answers or terms.overlap) * seconds / HOUR


def _candidates(batch: NextBatch, terms: Terms, outlook: BatchForecast | None, *, first: bool) -> tuple[str, str]:
    if not batch.picked:
        return "–", "only control items are left"
    candidates = outlook.candidates if batch.candidates is None and outlook else batch.candidates
    if candidates is None:
        return "–", "as many as needed to take each item from a different cluster"
    if first:
        how = "all, at random: there is no model yet"
    elif terms.strategy in FROM_THE_WHOLE_POOL:
        how = FROM_THE_WHOLE_POOL[terms.strategy]
    else:
        how = "that the model is least sure of"
    return number(candidates), how


def _cost(hours: float, terms: Terms) -> tuple[str, str]:
    if terms.hourly_cost is None:
        return "–", "no cost of an hour is set"
    return money(float(terms.hourly_cost) * hours, terms.currency), ""


def _done(hours: float, terms: Terms, pace: Pace) -> tuple[str, str]:
    """How long a batch takes if those who labeled lately do so again."""
    if not pace.active:
        return duration(hours * HOUR), "by one person: nobody labeled in the last 7 days"
    people = max(pace.active, terms.overlap)
    return duration(hours * HOUR / people), f"if {_people(people)}{' at once' if people > 1 else ''}"


def _people(n: int) -> str:
    return "one person labels" if n == 1 else f"{number(n)} people label"


def _measured(batch: NextBatch, terms: Terms, standing: Standing) -> int:
    """Control items of the batch that a model is measured on: those whose annotators are prompted with no answer."""
    prompting = (terms.show_predictions and not standing.first) or (terms.show_suggestions and standing.suggestions)
    prompted = PROMPTED_SHARE if prompting else 0.0
    return round(batch.control * (1 - prompted))


def _certainty(standing: Standing, control: int) -> tuple[str, str]:
    n = standing.measured + standing.waiting + control
    half = half_width(n, standing.accuracy)
    if half is None:
        return "–", "not measured: no control items"
    return f"± {100 * half:.1f} points", f"by {count(n, 'control item')} then"


def _deadline(size: int, terms: Terms) -> tuple[str, str]:
    if terms.deadline_hours is None:
        return "none", "a batch ends with its last answer"
    needed = answers_needed(size, terms.overlap, terms.complete_share)
    detail = f"then it ends if {number(needed)} of {number(size * terms.overlap)} answers are there"
    return f"{figure(terms.deadline_hours)}{NBSP}h", detail


def _privacy(standing: Standing, terms: Terms, picked: int) -> tuple[str, str]:
    """What the budget makes of the training after the next batch."""
    budget = Budget.of(terms)
    if budget is None:
        return "none", "trainings are not private"
    labels = standing.labels + picked
    left = budget.left(labels, standing.spent)
    noise = budget.noise_of_each(labels, left, standing.spent) if left else None
    if noise is None:
        return "no training", "the budget is spent: the next batch would stop"
    needed = labels_needed(noise)
    verdict = f"about {number(needed)} labels are needed" if labels < needed else "there are labels enough for it"
    return f"noise of {noise:.1f}", f"{count(left, 'training')} left; {verdict}"


def _basis(pace: Pace) -> str:
    if pace.seconds is None:
        return f"No pace measured yet: {figure(ASSUMED_SECONDS)}{NBSP}s an answer are assumed."
    return f"At {duration(pace.seconds)} an answer, the median of the newest {count(pace.answers, 'answer')}."


def _warnings(standing: Standing, terms: Terms) -> list[str]:
    pace, pool = standing.pace, standing.pool
    warnings = []
    if not pool.unlabeled:
        warnings.append("No item is left to label. The settings hold for items that come later.")
        return warnings
    batch = _batch(standing, terms)
    if terms.overlap > pace.annotators:
        warnings.append(
            f"{number(terms.overlap)} people answer each item, and {count(pace.annotators, 'member')} may label: "
            "no batch can be completed. Add annotators."
        )
    if terms.control_share and batch.picked and batch.control < round(terms.control_share * terms.batch_size):
        warnings.append(
            f"Only {count(pool.reserved, 'item')} set apart for control {'is' if pool.reserved == 1 else 'are'} left."
        )
    if terms.deadline_hours is not None and pace.seconds is not None and pace.active:
        total = batch.size * terms.overlap
        answers = int(terms.deadline_hours * HOUR / pace.seconds * max(pace.active, 1))
        if answers < answers_needed(batch.size, terms.overlap, terms.complete_share):
            warnings.append(
                f"{_people(max(pace.active, 1)).capitalize()} about {number(answers)} of {number(total)} until the "
                "deadline, if they never stop: it would not end the batch."
            )
    return warnings


def changes(rows: Sequence[Row]) -> str:
    """What has changed, to be read out."""
    return "; ".join(f"{row.name}: {row.now} instead of {row.was}" for row in rows if row.changed)
