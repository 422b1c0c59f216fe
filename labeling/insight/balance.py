"""The frequency of each class among the labels, and its share of the pool as the control slice estimates it."""

from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import gettext

from labeling.insight.control_slice import ControlFacts, control_facts
from labeling.labels.label_counts import NO_CLASS, Counts, count_labels, counts_of
from labeling.models import Batch, Project
from models_store.metrics import wilson

# The most classes that are listed.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Frequency:
    """A class: its `share` of the labels, and of the pool, estimated from `control` items, with its 95 % interval."""

    name: str
    labels: int
    share: float
    control: int
    pool: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Balance:
    """The most frequent classes of `labeled` items; `control` is the number of labeled control items."""

    classes: list[Frequency]
    labeled: int
    control: int
    seen: int
    n_classes: int

    @property
    def others(self) -> int:
        """The number of classes that have labels and are not listed."""
        return self.seen - len(self.classes)


def balance_of(project: Project, batch: Batch | None = None) -> Balance:
    """Return the balance of the project's labels, or of one batch's; all control items estimate the pool.

    A `multi` item counts for each class of its label. The counts of an open batch may lack up to a hundredth.
    """
    batches = project.batches.filter(labeled__gt=0).select_related("label_counts")
    labels = counts_of(project.asks, [batch] if batch else batches)
    control = _control(project, control_facts(project))
    known = {index: n for index, n in labels.classes.items() if index != NO_CLASS}
    shown = sorted(known, key=lambda index: (-known[index], index))[:SHOWN]
    if labels.classes.get(NO_CLASS):
        shown.append(NO_CLASS)
    names = {**project.answer_names(shown), NO_CLASS: gettext("none applies")}
    return Balance(
        classes=[
            _frequency(names[index], labels.classes[index], labels.items, control.classes.get(index, 0), control.items)
            for index in shown
        ],
        labeled=labels.items,
        control=control.items,
        seen=len(known) + (NO_CLASS in shown),
        n_classes=(len(project.asks.answers) or project.classes.offered().count()) + (NO_CLASS in shown),
    )


def _frequency(name: str, labels: int, n_labeled: int, control: int, n_control: int) -> Frequency:
    low, high = wilson(control, n_control)
    return Frequency(name, labels, labels / n_labeled, control, control / n_control if n_control else 0.0, low, high)


@lru_cache(maxsize=32)
def _control(project: Project, facts: ControlFacts) -> Counts:
    """Return the counts of the labeled control items by class. Each process caches them until the facts change."""
    return count_labels(project.asks, project.items.measuring())
