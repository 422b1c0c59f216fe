"""The consequences of settings, in words, before they are saved. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labeling.arrays.forecast import BatchForecast, forecast_batch
from labeling.insight.pace import ASSUMED_SECONDS, Pace, items_ready
from labeling.insight.share_intervals import half_width
from labeling.models.batches import answers_needed
from labeling.models.project_settings import ProjectSettings
from labeling.projects.budgets import Budget, labels_needed
from labeling.resolving.outlook import Outlook, Rule, outlook
from labeling.resolving.posterior import ACCURACY
from labeling.web.settings import forecast
from labeling.web.settings.next_batch import (
    NextBatch,
    batch_of,
    measured_of,
    person_hours,
    rounds_left,
)
from labeling.web.settings.standing import Standing
from labeling.web.shared.words import HOUR, NBSP, count, duration, figure, money, number, percent
from selector.strategies import STRATEGIES


@dataclass(frozen=True, slots=True)
class Row:
    """A consequence of the saved settings and, if different, of the typed ones, to which `detail` belongs."""

    key: str
    name: str
    was: str
    now: str
    detail: str = ""

    @property
    def changed(self) -> bool:
        return self.was != self.now


@dataclass(frozen=True, slots=True)
class Consequences:
    """All consequences. `warnings` are undesirable ones; `basis` names the data behind the times."""

    batch: list[Row]
    picked: list[Row]
    over_all: list[Row]
    basis: str
    picked_basis: str
    warnings: list[str] = field(default_factory=list)


def consequences_of(standing: Standing, saved: ProjectSettings, typed: ProjectSettings | None = None) -> Consequences:
    """Compute the consequences of the saved settings and of the typed ones."""
    typed = typed or saved
    before, after = _figures(standing, saved), _figures(standing, typed)
    rows = [Row(key, NAMES[key], before[key][0], *after[key]) for key in after]
    rows = [row for row in rows if (row.was, row.now) != (NO_COPIES, NO_COPIES)]
    return Consequences(
        batch=[row for row in rows if row.key not in (*OVER_ALL, *PICKED)],
        picked=[row for row in rows if row.key in PICKED],
        over_all=[row for row in rows if row.key in OVER_ALL],
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
    "ready": "Kept ready for a person",
    "hold": "Longest time with one item",
    "deadline": "Deadline",
    "privacy": "Privacy",
    **forecast.NAMES,
    "rounds": "Rounds",
    "all-hours": "Work",
    "all-cost": "Cost",
}
NO_COPIES = "no items beside"
PICKED = tuple(forecast.NAMES)
OVER_ALL = ("rounds", "all-hours", "all-cost")


def _figures(standing: Standing, settings: ProjectSettings) -> dict[str, tuple[str, str]]:
    """Return the figure of each consequence, with its detail; empty if no batch follows."""
    pool = standing.pool
    if not pool.unlabeled:
        return {}
    batch = batch_of(standing, settings)
    surveyed = standing.sample is not None and not standing.first
    outlook = _forecast(standing, settings, batch)
    asked = _asked(standing, settings)
    hours = person_hours(batch.size, settings, standing.pace, asked.answers)
    all_hours = person_hours(pool.unlabeled, settings, standing.pace, asked.answers)
    return {
        "size": (number(batch.size), f"{number(batch.picked)} picked, {number(batch.control)} for control"),
        "candidates": _candidates(batch, settings, outlook, first=standing.first),
        "share": (percent(batch.size / pool.unlabeled), f"of {count(pool.unlabeled, 'unlabeled item')}"),
        "answers": (figure(round(asked.answers, 1)), "of people" if settings.overlap_max is None else "on average"),
        "wrong": _wrong(standing, asked),
        "copies": _copies(batch, settings),
        "hours": (
            duration(hours * HOUR),
            "of labeling" if settings.overlap == 1 else f"by {settings.overlap} people each",
        ),
        "cost": _cost(hours, settings),
        "done": _time_to_finish(hours, settings, standing.pace),
        "certainty": _certainty(standing, measured_of(batch, settings, standing)),
        "ready": _kept_ready(settings, standing.pace),
        "hold": _longest_hold(settings, standing.pace),
        "deadline": _deadline(batch.size, settings),
        "privacy": _privacy(standing, settings, batch.picked),
        **(forecast.rows(outlook) if surveyed else {}),
        "rounds": (number(rounds_left(pool, settings.batch_size)), "until no item is left"),
        "all-hours": (duration(all_hours * HOUR), "of labeling"),
        "all-cost": _cost(all_hours, settings),
    }


def _asked(standing: Standing, settings: ProjectSettings) -> Outlook:
    """Estimate the answers per item and the share of wrong labels, by a simulation if the settings need one."""
    rule = Rule(settings.overlap, settings.overlap_max, settings.label_confidence, settings.check_share)
    people = standing.accuracies or [ACCURACY] * max(standing.pace.annotators, 1)
    return outlook(rule, people, standing.space)


def _wrong(standing: Standing, asked: Outlook) -> tuple[str, str]:
    known = "by how people agree" if standing.accuracies else f"if people are right {percent(ACCURACY)} of the time"
    open_items = f"; {percent(asked.undecided)} undecided" if asked.undecided else ""
    return f"about {percent(asked.wrong)}", f"{known}, without the model's word{open_items}"


def _copies(batch: NextBatch, settings: ProjectSettings) -> tuple[str, str]:
    if not settings.near_copies:
        return NO_COPIES, ""
    checks = round(settings.copy_checks * batch.size)
    asked = (
        f"; {count(checks, 'task')} of the next batch to check them" if checks else "; none is checked, so none counts"
    )
    return f"up to {number(settings.near_copies * batch.picked)}", f"items with the label of another{asked}"


def _forecast(standing: Standing, settings: ProjectSettings, batch: NextBatch) -> BatchForecast | None:
    """Forecast the next batch; None without a sample of the pool."""
    if standing.sample is None or standing.first:
        return None
    return forecast_batch(
        standing.sample,
        strategy=settings.strategy,
        picked=batch.picked,
        candidates=batch.candidates,
        mean_cluster_size=settings.mean_cluster_size,
    )


def _candidates(
    batch: NextBatch, settings: ProjectSettings, outlook: BatchForecast | None, *, first: bool
) -> tuple[str, str]:
    if not batch.picked:
        return "–", "only control items are left"
    candidates = outlook.candidates if batch.candidates is None and outlook else batch.candidates
    if candidates is None:
        return "–", "as many as needed to take each item from a different cluster"
    if first:
        how = "all: there is no model yet"
    elif looks := STRATEGIES[settings.strategy].looks:
        how = f"all, {looks}"
    else:
        how = "that the model is least sure of"
    return number(candidates), how


def _cost(hours: float, settings: ProjectSettings) -> tuple[str, str]:
    if settings.hourly_cost is None:
        return "–", "no cost of an hour is set"
    return money(float(settings.hourly_cost) * hours, settings.currency), ""


def _time_to_finish(hours: float, settings: ProjectSettings, pace: Pace) -> tuple[str, str]:
    """Estimate the duration of a batch, if the recent annotators label again."""
    if not pace.active:
        return duration(hours * HOUR), "by one person: no answers in the last 7 days"
    people = max(pace.active, settings.overlap)
    return duration(hours * HOUR / people), f"if {_people(people)}{' at once' if people > 1 else ''}"


def _people(n: int) -> str:
    return "one person labels" if n == 1 else f"{number(n)} people label"


def _certainty(standing: Standing, control: int) -> tuple[str, str]:
    n = standing.measured + standing.waiting + control
    half = half_width(n, standing.accuracy)
    if half is None:
        return "–", "not measured: no control items"
    return f"± {100 * half:.1f} points", f"by {count(n, 'control item')} then"


def _kept_ready(settings: ProjectSettings, pace: Pace) -> tuple[str, str]:
    lease = min(settings.lease_seconds, settings.max_seconds_per_item or settings.lease_seconds)
    ready = items_ready(settings.kept_ready, lease=lease, seconds=pace.estimate)
    work = duration(settings.kept_ready * pace.estimate)
    if ready < settings.kept_ready:
        needed = f"{number(settings.kept_ready)} need {work}"
        return number(ready), f"more do not fit in a lease of {duration(lease)}: {needed}"
    return number(ready), f"about {work} of work; the lease is {duration(lease)}"


def _longest_hold(settings: ProjectSettings, pace: Pace) -> tuple[str, str]:
    seconds = settings.max_seconds_per_item
    if seconds is None:
        return "no limit", "as long as the person answers other items"
    answers = int(seconds / pace.estimate)
    return duration(seconds), f"then others can get it; time for {count(answers, 'answer')}"


def _deadline(size: int, settings: ProjectSettings) -> tuple[str, str]:
    if settings.deadline_hours is None:
        return "none", "a batch ends with its last answer"
    needed = answers_needed(size, settings.overlap, settings.complete_share)
    detail = f"then it ends if {number(needed)} of {number(size * settings.overlap)} answers are there"
    return f"{figure(settings.deadline_hours)}{NBSP}h", detail


def _privacy(standing: Standing, settings: ProjectSettings, picked: int) -> tuple[str, str]:
    """Say how the privacy budget affects the training after the next batch."""
    budget = Budget.of(settings)
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


def _warnings(standing: Standing, settings: ProjectSettings) -> list[str]:
    pace, pool = standing.pace, standing.pool
    warnings = []
    if not pool.unlabeled:
        warnings.append("No item is left to label. The settings hold for items that come later.")
        return warnings
    batch = batch_of(standing, settings)
    if settings.overlap > pace.annotators:
        warnings.append(
            f"{number(settings.overlap)} people answer each item, and {count(pace.annotators, 'member')} may label: "
            "no batch can be completed. Add annotators."
        )
    if settings.control_share and batch.picked and batch.control < round(settings.control_share * settings.batch_size):
        warnings.append(
            f"Only {count(pool.reserved, 'item')} set apart for control {'is' if pool.reserved == 1 else 'are'} left."
        )
    if settings.gold_share and settings.show_suggestions and standing.gold_notice:
        warnings.append(standing.gold_notice)
    if settings.max_seconds_per_item is not None and settings.max_seconds_per_item < (pace.seconds or 0):
        warnings.append(
            f"Half of the answers take longer than {duration(settings.max_seconds_per_item)}: others get items that "
            "people are still working on."
        )
    if settings.deadline_hours is not None and pace.seconds is not None and pace.active:
        total = batch.size * settings.overlap
        answers = int(settings.deadline_hours * HOUR / pace.seconds * max(pace.active, 1))
        if answers < answers_needed(batch.size, settings.overlap, settings.complete_share):
            warnings.append(
                f"{_people(max(pace.active, 1)).capitalize()} about {number(answers)} of {number(total)} until the "
                "deadline, if they never stop: it would not end the batch."
            )
    return warnings


def changes(rows: Sequence[Row]) -> str:
    """Describe the changed consequences, for screen readers."""
    return "; ".join(f"{row.name}: {row.now} instead of {row.was}" for row in rows if row.changed)
