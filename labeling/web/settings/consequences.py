"""The consequences of settings, in words, before they are saved. Pure functions."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from labeling.insight.pace import ASSUMED_SECONDS, Pace, items_ready
from labeling.insight.share_intervals import half_width
from labeling.labels.resolving.outlook import Outlook, Rule, outlook
from labeling.labels.resolving.posterior import ACCURACY
from labeling.models.batches import answers_needed
from labeling.models.near_copies import COPY_CHECKS
from labeling.models.project_settings import ProjectSettings
from labeling.projects.privacy.budgets import Budget, labels_needed
from labeling.storage.arrays.batch_forecast import BatchForecast, forecast_batch
from labeling.web.settings import forecast
from labeling.web.settings.standing import NextBatch, Standing, measured_of, next_batch, person_hours, rounds_left
from labeling.web.shared.words import HOUR, count, duration, figure, localized, money, number, percent
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


def consequences_of(
    standing: Standing,
    saved: ProjectSettings,
    typed: ProjectSettings | None = None,
    keys: Collection[str] | None = None,
) -> Consequences:
    """Compute the consequences of the saved settings and of the typed ones: those in `keys`, by default all."""
    typed = typed or saved
    keys = NAMES if keys is None else keys
    before, after = _figures(standing, saved), _figures(standing, typed)
    rows = [Row(key, gettext(NAMES[key]), before[key][0], *after[key]) for key in after if key in keys]
    timed = any(row.key in TIMED for row in rows)
    return Consequences(
        batch=[row for row in rows if row.key not in (*OVER_ALL, *PICKED)],
        picked=[row for row in rows if row.key in PICKED],
        over_all=[row for row in rows if row.key in OVER_ALL],
        basis=_basis(standing.pace) if timed else "",
        picked_basis=forecast.basis(standing.sample, first=standing.first, guarded=typed.class_guard is not None)
        if {*PICKED} & {*keys}
        else "",
        warnings=[text for key, text in _warnings(standing, typed) if key in (*keys, ANY)],
    )


NAMES = {
    "size": _("Items"),
    "candidates": _("Picked from"),
    "share": _("Share of the pool"),
    "answers": _("Answers an item"),
    "wrong": _("Labels that are wrong"),
    "copies": _("Near-copies"),
    "hours": _("Work"),
    "cost": _("Cost"),
    "done": _("Done in"),
    "certainty": _("Accuracy known to"),
    "ready": _("Kept ready for a person"),
    "deadline": _("Deadline"),
    "privacy": _("Privacy"),
    **forecast.NAMES,
    "rounds": _("Rounds"),
    "all-hours": _("Work"),
    "all-cost": _("Cost"),
}
PICKED = tuple(forecast.NAMES)
OVER_ALL = ("rounds", "all-hours", "all-cost")
TIMED = ("hours", "done", "ready", "all-hours")
ANY = ""
"""Stands for all consequences, as the key of a warning."""


def _figures(standing: Standing, settings: ProjectSettings) -> dict[str, tuple[str, str]]:
    """Return the figure of each consequence, with its detail; empty if no batch follows."""
    pool = standing.pool
    if not pool.unlabeled:
        return {}
    batch = next_batch(standing, settings)
    surveyed = standing.sample is not None and not standing.first
    outlook = _forecast(standing, settings, batch)
    asked = _asked(standing, settings)
    hours = person_hours(batch.size, settings, standing.pace, asked.answers)
    all_hours = person_hours(pool.unlabeled, settings, standing.pace, asked.answers)
    return {
        "size": (
            number(batch.size),
            gettext("%(picked)s picked, %(control)s for control")
            % {"picked": number(batch.picked), "control": number(batch.control)},
        ),
        "candidates": _candidates(batch, settings, outlook, first=standing.first),
        "share": (
            percent(batch.size / pool.unlabeled),
            gettext("of %(items)s") % {"items": count(pool.unlabeled, "unlabeled item")},
        ),
        "answers": (
            figure(round(asked.answers, 1)),
            gettext("of people") if settings.overlap_max is None else gettext("on average"),
        ),
        "wrong": _wrong(standing, asked),
        "copies": _copies(batch, settings),
        "hours": (
            duration(hours * HOUR),
            gettext("of labeling")
            if settings.overlap == 1
            else gettext("by %(overlap)s people each") % {"overlap": settings.overlap},
        ),
        "cost": _cost(hours, settings),
        "done": _time_to_finish(hours, settings, standing.pace),
        "certainty": _certainty(standing, measured_of(batch, settings, standing)),
        "ready": _kept_ready(settings, standing.pace),
        "deadline": _deadline(batch.size, settings),
        "privacy": _privacy(standing, settings, batch.picked),
        **(forecast.rows(outlook) if surveyed else {}),
        "rounds": (number(rounds_left(pool, settings.batch_size)), gettext("until no item is left")),
        "all-hours": (duration(all_hours * HOUR), gettext("of labeling")),
        "all-cost": _cost(all_hours, settings),
    }


def _asked(standing: Standing, settings: ProjectSettings) -> Outlook:
    """Estimate the answers per item and the share of wrong labels, by a simulation if the settings need one."""
    rule = Rule(settings.overlap, settings.overlap_max, settings.label_confidence)
    people = standing.accuracies or [ACCURACY] * max(standing.pace.annotators, 1)
    return outlook(rule, people, standing.space)


def _wrong(standing: Standing, asked: Outlook) -> tuple[str, str]:
    if standing.accuracies:
        known = gettext("estimated from how people agree, not from predictions")
    else:
        known = gettext("assuming that people are right %(share)s of the time, without predictions")
        known %= {"share": percent(ACCURACY)}
    if asked.undecided:
        known += gettext("; %(share)s undecided") % {"share": percent(asked.undecided)}
    return gettext("about %(amount)s") % {"amount": percent(asked.wrong)}, known


def _copies(batch: NextBatch, settings: ProjectSettings) -> tuple[str, str]:
    if not settings.near_copies:
        return gettext("no items beside"), ""
    checks = round(COPY_CHECKS * batch.size)
    if checks:
        detail = gettext("items labeled as near-copies; %(tasks)s of the next batch check them")
    else:
        detail = gettext("items labeled as near-copies; none is checked, so none counts")
    most = gettext("up to %(n)s") % {"n": number(settings.near_copies * batch.picked)}
    return most, detail % {"tasks": count(checks, "task")}


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
        return "–", gettext("only control items are left")
    candidates = outlook.candidates if batch.candidates is None and outlook else batch.candidates
    if candidates is None:
        return "–", gettext("as many as needed to take each item from a different cluster")
    if first:
        how = gettext("all: there is no model yet")
    elif looks := STRATEGIES[settings.strategy].looks:
        how = gettext("all, %(looks)s") % {"looks": gettext(looks)}
    else:
        how = gettext("that the model is least sure of")
    return number(candidates), how


def _cost(hours: float, settings: ProjectSettings) -> tuple[str, str]:
    if settings.hourly_cost is None:
        return "–", gettext("no cost of an hour is set")
    return money(float(settings.hourly_cost) * hours, settings.currency), ""


def _time_to_finish(hours: float, settings: ProjectSettings, pace: Pace) -> tuple[str, str]:
    """Estimate the duration of a batch, if the recent annotators label again."""
    if not pace.active:
        return duration(hours * HOUR), gettext("by one person: no answers in the last 7 days")
    people = max(pace.active, settings.overlap)
    condition = ngettext("if one person labels", "if %(n)s people label at once", people) % {"n": number(people)}
    return duration(hours * HOUR / people), condition


def _certainty(standing: Standing, control: int) -> tuple[str, str]:
    n = standing.measured + standing.waiting + control
    half = half_width(n, standing.accuracy)
    if half is None:
        return "–", gettext("not measured: no control items")
    return gettext("± %(half)s points") % {"half": localized(f"{100 * half:.1f}")}, gettext("by %(items)s then") % {
        "items": count(n, "control item")
    }


def _kept_ready(settings: ProjectSettings, pace: Pace) -> tuple[str, str]:
    ready = items_ready(settings.kept_ready, lease=settings.lease_seconds, seconds=pace.estimate)
    values = {
        "work": duration(settings.kept_ready * pace.estimate),
        "lease": duration(settings.lease_seconds),
        "n": number(settings.kept_ready),
    }
    if ready < settings.kept_ready:
        return number(ready), gettext("more do not fit in a lease of %(lease)s: %(n)s need %(work)s") % values
    return number(ready), gettext("about %(work)s of work; the lease is %(lease)s") % values


def _deadline(size: int, settings: ProjectSettings) -> tuple[str, str]:
    if settings.deadline_hours is None:
        return gettext("none"), gettext("a batch ends with its last answer")
    needed = answers_needed(size, settings.overlap, settings.complete_share)
    detail = gettext("then it ends if %(needed)s of %(size)s answers are there") % {
        "needed": number(needed),
        "size": number(size * settings.overlap),
    }
    return gettext("%(n)s\u00a0h") % {"n": figure(settings.deadline_hours)}, detail


def _privacy(standing: Standing, settings: ProjectSettings, picked: int) -> tuple[str, str]:
    """Say how the privacy budget affects the training after the next batch."""
    budget = Budget.of(settings)
    if budget is None:
        return gettext("none"), gettext("trainings are not private")
    labels = standing.labels + picked
    left = budget.left(labels, standing.spent)
    noise = budget.noise_of_each(labels, left, standing.spent) if left else None
    if noise is None:
        return gettext("no training"), gettext("the budget is spent: the next batch would stop")
    needed = labels_needed(noise)
    if labels < needed:
        detail = gettext("%(trainings)s left; about %(n)s labels are needed")
    else:
        detail = gettext("%(trainings)s left; there are labels enough for it")
    value = gettext("noise of %(noise)s") % {"noise": localized(f"{noise:.1f}")}
    return value, detail % {"trainings": count(left, "training"), "n": number(needed)}


def _basis(pace: Pace) -> str:
    if pace.seconds is None:
        return gettext("No pace measured yet: %(n)s\u00a0s an answer are assumed.") % {"n": figure(ASSUMED_SECONDS)}
    return gettext("At %(seconds)s an answer, the median of the newest %(answers)s.") % {
        "seconds": duration(pace.seconds),
        "answers": count(pace.answers, "answer"),
    }


def _warnings(standing: Standing, settings: ProjectSettings) -> Iterator[tuple[str, str]]:
    """Yield each warning, with the key of the consequence that it is about."""
    pace, pool = standing.pace, standing.pool
    if not pool.unlabeled:
        yield ANY, gettext("No item is left to label. The settings apply to items that are imported later.")
        return
    batch = next_batch(standing, settings)
    if settings.overlap > pace.annotators:
        yield (
            "answers",
            gettext(
                "%(overlap)s people answer each item, and %(members)s may label: no batch can be "
                "completed. Add annotators."
            )
            % {"overlap": number(settings.overlap), "members": count(pace.annotators, "member")},
        )
    if settings.control_share and batch.picked and batch.control < round(settings.control_share * settings.batch_size):
        yield (
            "certainty",
            ngettext(
                "Only %(n)s control item is left.",
                "Only %(n)s control items are left.",
                pool.reserved,
            )
            % {"n": number(pool.reserved)},
        )
    if settings.gold_share and settings.show_suggestions and standing.gold_notice:
        yield "answers", standing.gold_notice
    if settings.deadline_hours is not None and pace.seconds is not None and pace.active:
        total = batch.size * settings.overlap
        answers = int(settings.deadline_hours * HOUR / pace.seconds * max(pace.active, 1))
        if answers < answers_needed(batch.size, settings.overlap, settings.complete_share):
            people = max(pace.active, 1)
            sentence = ngettext(
                "One person labels about %(answers)s of %(total)s until the deadline, if they never stop: it would "
                "not end the batch.",
                "%(n)s people label about %(answers)s of %(total)s until the deadline, if they never stop: it would "
                "not end the batch.",
                people,
            )
            yield "deadline", sentence % {"n": number(people), "answers": number(answers), "total": number(total)}


def changes(rows: Sequence[Row]) -> str:
    """Describe the changed consequences, for screen readers."""
    return "; ".join(
        gettext("%(name)s: %(now)s instead of %(was)s") % {"name": row.name, "now": row.now, "was": row.was}
        for row in rows
        if row.changed
    )
