"""Measure predictions from outside against the answers of people who did not see a prediction.

Accuracy on control items stands for the pool. Other items are picked for doubt, and a machine may have learned from
labels that came before its answers: so those that came later are also counted alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from django.db.models import Exists, OuterRef

from labeling.insight.share_intervals import Proportion
from labeling.models import Annotation, Correction, ModelVersion, Project, Task
from labeling.models.items import ItemQuerySet
from labeling.queue import gold
from labeling.storage.arrays.files import ProjectFiles, load_mapped
from labeling.storage.arrays.forms import HANDED_IN, fitted
from models_store import blind
from models_store.metrics import Share

SAMPLE = 20_000
"""The most items that were answered blind, the newest first."""


@dataclass(frozen=True, slots=True)
class ShareRight:
    """The share of right answers among `n`, with its 95 % interval; null for none."""

    value: Proportion | None
    low: Proportion
    high: Proportion
    n: int


@dataclass(frozen=True, slots=True)
class BesidePeople:
    """The predictions, and all people together, on the same items. People are judged by the known answer, or else by
    the most frequent answer of the others.
    """

    predictions: ShareRight
    people: ShareRight


@dataclass(frozen=True, slots=True)
class ClassRight:
    """Of the items of a class, those that the predictions got right."""

    name: str
    right: ShareRight


@dataclass(frozen=True, slots=True)
class BlindMistake:
    """Items of one class that were predicted as another."""

    label: str
    predicted: str
    items: int


@dataclass(frozen=True, slots=True)
class BlindCalibration:
    """The expected calibration error, with its 95 % interval, and the mean confidence."""

    error: Proportion
    low: Proportion
    high: Proportion
    confidence: Proportion


@dataclass(frozen=True, slots=True)
class InPlaceOfPerson:
    """The alternative annotator test (arXiv 2501.10970)."""

    passes: Annotated[bool | None, "Null if fewer than three people have 30 answers that others can judge."]
    people: Annotated[int, "People whom it was tested against."]
    won: Annotated[int, "Of these, people whom it replaces well enough."]
    not_for: Annotated[list[str], "Classes in which people are right more often, beyond noise."]


@dataclass(frozen=True, slots=True)
class MeasuredBlind:
    """Predictions from outside, measured on items that people answered without seeing a prediction, the newest 20,000,
    on control items and on gold items. `classes`, `mistakes`, `calibration` and `in_place_of_person` are of all these.
    """

    control: Annotated[BesidePeople, "Drawn at random: they stand for the pool."]
    gold: Annotated[BesidePeople, "Items with a known answer."]
    blind: Annotated[BesidePeople, "All of them. Picked items are more doubtful than the pool."]
    later: Annotated[BesidePeople, "Labeled after the predictions came, which cannot have learned from them."]
    classes: list[ClassRight]
    mistakes: Annotated[list[BlindMistake], "The most frequent 20."]
    calibration: BlindCalibration | None
    in_place_of_person: InPlaceOfPerson


def measured_blind(project: Project, version: ModelVersion) -> MeasuredBlind | None:
    """Measure the predictions of a version that is made of them. Six queries and one array.

    None if they have no answers to compare with labels. Raises `FileMissing` or `FileDamaged`.
    """
    if not version.is_given or not version.answers or project.asks.why_best_class_is_no_answer:
        return None
    names = project.answer_names(range(project.classes.count()))
    n_classes = max(names, default=0) + 1
    found, groups = _read(project, version, n_classes)
    measured = blind.measure(found, groups, n_classes)
    shares = {name: BesidePeople(_share(each.machine), _share(each.people)) for name, each in measured.groups.items()}
    error, test = measured.calibration, measured.stand_in
    return MeasuredBlind(
        **shares,
        classes=[ClassRight(names[index], _share(each)) for index, each in measured.classes.items()],
        mistakes=[BlindMistake(names[truth], names[said], n) for truth, said, n in measured.mistakes],
        calibration=None if error is None else BlindCalibration(error.ece, error.low, error.high, error.sure),
        in_place_of_person=InPlaceOfPerson(
            test.passes if test.is_known else None, test.people, test.won, [names[index] for index in test.worse]
        ),
    )


def _share(share: Share) -> ShareRight:
    return ShareRight(share.value, share.low, share.high, share.n)


def _read(project: Project, version: ModelVersion, n_classes: int) -> tuple[blind.Blind, dict[str, np.ndarray]]:
    """Return the predictions and the answers, and which items each group has."""
    handed = version.prediction_set
    covered = project.items.kept().filter(row__lt=handed.rows)
    control = list(_labels(project, covered.measuring()))
    others = _answered_blind(covered)
    known = list(_labels(project, covered.filter(gold__isnull=False), "gold"))
    facts = {pk: (row, label, at) for pk, row, label, at in [*control, *_labels(project, others), *known]}
    places = {pk: place for place, pk in enumerate(facts)}
    golden, in_control = {pk for pk, *_ in known}, {pk for pk, *_ in control}
    is_gold = np.array([pk in golden for pk in facts], bool)
    said, sure = _predicted(project, version, np.array([row for row, *_ in facts.values()], np.int64), n_classes)
    people, items, given = _answers(project, others, places, golden, n_classes)
    found = blind.Blind(
        said, sure, _numbers(project, [label for _, label, _ in facts.values()], n_classes), is_gold,
        items, people, given,
    )  # fmt: skip
    later = [at is not None and at > handed.created_at for *_, at in facts.values()]
    return found, {
        "control": np.array([pk in in_control for pk in facts], bool) & ~is_gold,
        "gold": is_gold,
        "blind": np.ones(len(facts), bool),
        "later": np.array(later, bool) & ~is_gold,
    }


def _answered_blind(items: ItemQuerySet) -> ItemQuerySet:
    """Return the newest labeled items that people answered here, none of whom was shown an answer. Not those that a
    manager corrected, who may have seen a prediction.
    """
    shown = Task.objects.filter(prompted=True)
    by_people = Annotation.objects.by_people().filter(task__item=OuterRef("pk"))
    corrected = Correction.objects.standing().filter(item=OuterRef("pk"))
    return (
        items.labeled()
        .filter(Exists(by_people), ~Exists(corrected))
        .filter(~Exists(shown.filter(item=OuterRef("pk"))), ~Exists(shown.filter(repeats=OuterRef("pk"))))
        .order_by("-labeled_at", "-pk")[:SAMPLE]
    )


def _labels(project: Project, items: ItemQuerySet, name: str = "label") -> Iterable[tuple[int, int, Any, Any]]:
    for pk, row, label, at in items.values_list("pk", "row", name, "labeled_at"):
        followed = project.follow(label)
        if not project.is_split(followed):
            yield pk, row, followed, at


def _answers(
    project: Project, items: ItemQuerySet, places: dict[int, int], known: set[int], n_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return who answered which item with what (n,), each person once an item."""
    given = Annotation.objects.by_people().filter(task__item__in=items.values("pk")).order_by("created_at", "pk")
    found = {
        (user, item): project.follow(value)
        for user, item, value in given.values_list("user", "task__item", "value")
        if item not in known
    }
    found |= {(each.user, each.item): each.value for each in gold.answers_of(project)}
    kept = [(*key, value) for key, value in found.items() if key[1] in places and not project.is_split(value)]
    people = np.array([user for user, *_ in kept], np.int64)
    at = np.array([places[item] for _, item, _ in kept], np.int64)
    return people, at, _numbers(project, [value for *_, value in kept], n_classes)


def _numbers(project: Project, values: list[Any], n_classes: int) -> np.ndarray:
    return np.asarray(project.asks.targets(values, n_classes)).astype(np.int64)


def _predicted(
    project: Project, version: ModelVersion, rows: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers that follow from the predictions for these rows (m,), and their probabilities."""
    handed = version.prediction_set
    path = ProjectFiles(project).owned(handed)
    array = fitted(path, load_mapped(path), HANDED_IN, rows=handed.rows, width=handed.columns + handed.dim)
    given = np.asarray(array[rows, : handed.columns], np.float64)
    if project.asks.proposes:  # one probability, of yes
        yes = given[:, 0]
        return (yes >= 0.5).astype(np.int64), np.maximum(yes, 1 - yes)
    p = np.zeros((len(rows), n_classes))
    p[:, : handed.columns] = given
    for old, new in project.merges.items():
        p[:, new] += p[:, old]
        p[:, old] = 0
    # Of a scale, the median is predicted.
    best = (p.cumsum(axis=1) >= 0.5).argmax(axis=1) if project.asks.ordered else p.argmax(axis=1)
    return best, p[np.arange(len(p)), best]
