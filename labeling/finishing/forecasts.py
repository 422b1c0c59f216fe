"""Forecast what finishing a project takes: labels of the model, people's answers, hours and cost.

It reads a sample of the pool, so that a page shows it for any error and confidence.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
from django.db.models import Max, Q, Sum
from django.utils.translation import gettext

from labeling.finishing.candidates import predicting
from labeling.finishing.certifying.forecast import Option, cheapest, options
from labeling.finishing.certifying.plan import Plan, of_attempt, stratify
from labeling.finishing.experience import control_experience, corrected
from labeling.finishing.goal import FinishRefused, Goal, check_goal
from labeling.finishing.people import PeopleErrors
from labeling.finishing.planning import Part, copied_labels, most_wrong_of, price_of
from labeling.insight.control_slice import ControlFacts, control_facts
from labeling.insight.pace import Pace
from labeling.insight.pool_counts import PoolCounts, count_pool, encoded_items
from labeling.insight.share_intervals import Proportion
from labeling.labels.counting import certified_labels
from labeling.labels.label_counts import counts_of
from labeling.models import ModelVersion, Project
from labeling.projects.version_in_use import InUse
from labeling.questions import Question
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.statements import among
from labeling.storage.shared_files import store

STRATA, CLASS_STRATA = 40, 12
POINTS, CLASS_POINTS = 20, 5
MOST_CLASSES = 16
"""The most classes that are forecast one by one; of more, each stands for several of about its size."""
ROWS = 20_000
"""The most rows of the pool that are read."""


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """The cache key of a sample: equal facts give equal samples."""

    project: Project
    version: ModelVersion
    written: tuple[str | None, ...]
    pool: PoolCounts
    control: ControlFacts


@dataclass(frozen=True, slots=True)
class PoolSample:
    """A sample of the items that an audit may prove, (n,) each, which stands for `size` items.

    probabilities : float64, that the predicted answer is right, corrected by the control slice.
    values : the predicted answers, as in `labeling.finishing.candidates.Candidates`.
    control : the control items that corrected the probabilities.
    """

    probabilities: np.ndarray
    values: np.ndarray
    size: int
    control: int


def sample_facts(project: Project, used: InUse) -> SampleFacts:
    """Read the facts with at most eight queries."""
    version = predicting(project, used) or used.version
    paths = [ProjectFiles(project).pool(version, name) for name in project.asks.answer_arrays]
    return SampleFacts(project, version, tuple(store().stamps(paths)), count_pool(project), control_facts(project))


@lru_cache(maxsize=16)
def sample_of(facts: SampleFacts, within: int, *, each_class: bool) -> PoolSample:
    """Return the sample, with the items reserved for control: an audit that begins releases most of them. `within`: the
    points by which a right score may differ. `each_class`: as in `labeling.finishing.experience.corrected`.
    Takes two queries.

    Raises `FinishRefused` if the version's predictions are not stored, or if no control item tells how often the
    version is right.
    """
    project, version = facts.project, facts.version
    files = ProjectFiles(project)
    values, confidence = (files.answers(version, name) for name in project.asks.answer_arrays)
    if values is None or confidence is None:
        raise FinishRefused(
            gettext("Version %(number)s has no predictions for the pool yet. They follow when it picks a batch.")
            % {"number": version.number}
        )
    experience = control_experience(project, version, within=within)
    if not experience.right:
        raise FinishRefused(
            gettext(
                "No control item has a label yet, so the model’s accuracy is not known. Label a batch with a "
                "control share above 0, then finish."
            )
        )
    n = min(len(values), len(confidence))
    rows = np.sort(np.random.default_rng(version.number).choice(n, min(ROWS, n), replace=False))
    may = project.items.unlabeled().filter(label__isnull=True, row__in=among(rows.tolist()))
    open_rows = np.sort(np.fromiter(may.order_by().values_list("row", flat=True), np.int64))
    open_rows = open_rows[confidence[open_rows] > 0]
    return PoolSample(
        probabilities=corrected(confidence[open_rows], experience, each_class=each_class),
        values=np.asarray(values[open_rows]),
        size=round(len(open_rows) * len(values) / max(len(rows), 1)),
        control=len(experience.right),
    )


@dataclass(frozen=True, slots=True)
class Point:
    """The labels of which the model is surest, and the expected share of wrong ones among them."""

    labels: int
    error: Proportion
    answers: Annotated[int | None, "Items that an audit of them asks about; null: no audit is expected to prove them."]


@dataclass(frozen=True, slots=True)
class ClassForecast:
    """The items that the model predicts as one class. Without labels of the model, people label them."""

    index: int
    candidates: int
    labels: Annotated[int, "Expected to be taken from the model."]
    audit: Annotated[int, "Items that the audit asks about."]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What finishing takes, if the model is right as often as the control slice says."""

    version: Annotated[int, "The model version in use.", (1, None)]
    control: Annotated[int, "Labeled control items that it stands on."]
    left: Annotated[int, "Items without a label."]
    candidates: Annotated[int, "Of these, items that the model may label."]
    labels: Annotated[int, "Expected to be taken from the model."]
    error: Annotated[Proportion, "The share of wrong ones among `labels`."]
    audit: Annotated[int, "Items that the audit asks about."]
    answers_each: float
    """People's answers for each item that they look at."""
    curve: tuple[Point, ...]
    """From few labels to all candidates."""
    classes: tuple[ClassForecast, ...]
    """For a goal by class, those with the most candidates first. None where each class of an item is a decision of its
    own: one audit proves them all, and errors are those about the class that is wrong most often."""

    @property
    def asked(self) -> int:
        """The items that people look at, those of the audit included."""
        return self.left - self.labels

    def seconds(self, pace: Pace) -> float:
        """Return people's time until all items have a label."""
        return self.asked * self.answers_each * pace.estimate

    def seconds_by_hand(self, pace: Pace) -> float:
        """Return people's time if the model labeled nothing."""
        return self.left * self.answers_each * pace.estimate


@dataclass(frozen=True, slots=True)
class _Terms:
    """What an audit that is planned now has to prove. `left`, `answers_each`: as in `Forecast`.

    whole : the whole pool. labeled : people's labels by class, for a goal by class.
    control_share : of the tasks of each batch.
    """

    goal: Goal
    whole: Part
    labeled: tuple[tuple[int, int], ...]
    errors: PeopleErrors
    risk: float
    left: int
    answers_each: float
    control_share: float


def forecast_of(project: Project, goal: Goal, errors: PeopleErrors) -> Forecast:
    """Return the forecast with the version in use. Raises `FinishRefused` if there is nothing to forecast from."""
    facts = sample_facts(project, check_goal(project, goal, errors))
    errors = errors.stated_for(goal.by_class)
    under_way = project.batches.active().aggregate(n=Sum("remaining", default=0))["n"]
    attempts = project.audits.aggregate(n=Max("attempt"))["n"] or 0
    copied, wrong = (counts[None] for counts in copied_labels(project))
    by_parts = goal.by_class and not project.asks.per_class
    classes = counts_of(project.asks, project.batches.select_related("label_counts")).classes if by_parts else {}
    terms = _Terms(
        goal=goal,
        whole=_whole(project, errors, copied, wrong, by_class=goal.by_class),
        labeled=tuple(sorted(classes.items())),
        errors=errors,
        risk=of_attempt(1 - goal.confidence, attempts + 1),
        left=max(facts.pool.unlabeled + under_way - copied, 0),
        answers_each=price_of(project),
        control_share=project.control_share,
    )
    return _computed(facts, terms)


def _whole(project: Project, errors: PeopleErrors, copied: int, wrong: float, *, by_class: bool) -> Part:
    """Return the whole pool, from sums of batches: labels with one answer are wrong as often as answers.

    copied, wrong : near-copies with a label, and how many of these are expected to be wrong.
    """
    single = Sum("labeled", filter=Q(overlap=1, overlap_max=None), default=0)
    labels = project.batches.aggregate(n=Sum("labeled", default=0), single=single)
    certified = certified_labels(project)
    most_wrong = most_wrong_of(project, by_class=by_class)
    wrong += labels["single"] * errors.answer + (labels["n"] - labels["single"]) * errors.label
    items = encoded_items(project) - project.items.excluded().filter(row__isnull=False).count()
    return Part(items, labels["n"] + copied, wrong, certified, min(most_wrong, certified))


@lru_cache(maxsize=64)
def _computed(facts: SampleFacts, terms: _Terms) -> Forecast:
    """Return the forecast. Each process caches it, since pages reload every few seconds."""
    per_class = facts.project.asks.per_class
    sample = sample_of(facts, terms.goal.within, each_class=terms.goal.by_class and per_class)
    curve: list[Option] = []
    chosen: list[Option] = []
    classes: list[ClassForecast] = []
    if sample.size:
        plan = _plan(sample.probabilities, sample.size, terms.whole, terms, STRATA)
        curve = options(plan, n=POINTS)
        if terms.goal.by_class and not per_class:
            chosen, classes = _by_class(facts.project.asks, sample, terms)
        else:
            chosen = [best] if (best := cheapest(plan, curve=curve)) else []
    audit = sum(option.answers for option in chosen)
    labels = sum(option.labels for option in chosen)
    taken = labels - audit
    if chosen:  # people label the reserved items that the batches until then ask as control tasks
        taken -= min(terms.control_share * (terms.left - taken), facts.pool.reserved)
    return Forecast(
        version=facts.version.number,
        control=sample.control,
        left=terms.left,
        candidates=sample.size,
        labels=round(max(taken, 0)),
        error=sum(option.error * option.labels for option in chosen) / max(labels, 1),
        audit=round(audit),
        answers_each=terms.answers_each,
        curve=tuple(
            Point(option.labels, option.error, None if np.isinf(option.answers) else round(option.answers))
            for option in curve
        ),
        classes=tuple(classes),
    )


def _by_class(asks: Question, sample: PoolSample, terms: _Terms) -> tuple[list[Option], list[ClassForecast]]:
    """Return the chosen audits and the forecast of each predicted class."""
    counted = asks.counted_each(sample.values)
    values, sizes = np.unique(counted, return_counts=True)
    scale = sample.size / len(counted)
    largest_first = np.argsort(-sizes, kind="stable")
    chosen, classes, labeled = [], [], dict(terms.labeled)
    for alike in np.array_split(largest_first, min(len(values), MOST_CLASSES)):
        shown = alike[len(alike) // 2]
        n = round(sizes[shown] * scale)
        people = labeled.get(int(values[shown]), 0)
        part = Part(n + people, people, people * terms.errors.label, 0, 0)
        plan = _plan(sample.probabilities[counted == values[shown]], n, part, terms, CLASS_STRATA)
        best = cheapest(plan, curve=options(plan, n=CLASS_POINTS))
        chosen += [best] * len(alike) if best else []
        labels, audit = (round(best.labels - best.answers), round(best.answers)) if best else (0, 0)
        classes += [ClassForecast(int(values[each]), round(sizes[each] * scale), labels, audit) for each in alike]
    return chosen, classes


def _plan(probabilities: np.ndarray, size: int, part: Part, terms: _Terms, n_strata: int) -> Plan:
    """Return the audit of a sample (n,) that stands for `size` candidates of this part of the pool."""
    _, sizes, expected = stratify(probabilities, n_strata=n_strata)
    ends = np.round(np.cumsum(sizes) * size / len(probabilities)).astype(np.int64)
    target = part.target(terms.goal.error, terms.errors.label)
    return Plan(np.diff(ends, prepend=0), expected, target, terms.risk, terms.errors.missed)
