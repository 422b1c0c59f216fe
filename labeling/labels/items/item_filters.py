"""The filters of items, for pages, API and commands. All filters can be combined."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, TextChoices
from django.utils.translation import gettext

from labeling.labels.items import filter_values
from labeling.labels.items.answered import FIELDS, Answered, holds
from labeling.labels.items.filter import COUNT, YES_OR_NO, Filter, FilterError, read_values
from labeling.labels.resolving.origins import Origin
from labeling.models import CertifiedLabel, Project
from labeling.models.batches import IMPORTED
from labeling.models.items import ItemQuerySet

LONGEST = 220  # the longest name of a class, and a number in front of it

Chosen = Mapping[str, Any]
"""The values of the filters that are set, by name."""
Items = Callable[[ItemQuerySet], ItemQuerySet]


class State(TextChoices):
    LABELED = "labeled", "labeled"
    SKIPPED = "skipped", "skipped by all"
    OPEN = "open", "waiting for answers"
    AGAIN = "again", "asked again"
    UNLABELED = "unlabeled", "not picked yet"
    UNDECIDED = "undecided", "answered, undecided"
    UNREADABLE = "unreadable", "unreadable"
    EXCLUDED = "excluded", "excluded before it was picked"


STATES: dict[str, Items] = {
    State.LABELED: ItemQuerySet.labeled,
    State.SKIPPED: ItemQuerySet.skipped,
    State.OPEN: ItemQuerySet.under_way,
    State.AGAIN: ItemQuerySet.to_be_asked_again,
    State.UNLABELED: ItemQuerySet.unpicked,
    State.UNDECIDED: ItemQuerySet.undecided,
    State.UNREADABLE: ItemQuerySet.unreadable,
    State.EXCLUDED: ItemQuerySet.excluded_unpicked,
}


ORIGINS: dict[str, Items] = {
    Origin.PERSON: lambda items: items.labeled().uncorrected().filter(~Q(task__batch__strategy=IMPORTED)),
    Origin.CORRECTED: lambda items: items.labeled().corrected(),
    Origin.COPY: ItemQuerySet.propagated,
    Origin.IMPORTED: lambda items: items.labeled().uncorrected().imported(),
    # Not `pk__in`: SQLite would collect a million labels for a page of sixty.
    Origin.CERTIFIED: lambda items: items.filter(Exists(CertifiedLabel.objects.standing().filter(pk=OuterRef("pk")))),
}


@dataclass(frozen=True, slots=True)
class ItemFilter(Filter):
    """A filter of the project's items."""

    narrow: Callable[[Project, ItemQuerySet, Any], ItemQuerySet] | None = None
    """Narrows items to those with the value; None for a filter that `matching` applies together with others."""
    chip: str | tuple[str, str] = ""
    """The page's words for a filter that is set, with its text in place of {}; or the words for yes and for no."""
    place: str = "folded"
    """The place of its field on the page: "front", "folded", or "" for a filter without a field."""


def _read_state(project: Project, text: str) -> str:
    if text not in STATES:
        raise LookupError(gettext("Choose one of %(names)s.") % {"names": ", ".join(STATES)})
    return text


def _read_origin(project: Project, text: str) -> str:
    if text not in ORIGINS:
        raise LookupError(gettext("Choose one of %(names)s.") % {"names": ", ".join(ORIGINS)})
    return text


def _class(name: str, label: str, chip: str, meaning: str, **more: Any) -> ItemFilter:
    return ItemFilter(name, label, meaning, filter_values.read_label, chip=chip, attrs={"list": "classes"}, **more)


def _person(name: str, label: str, chip: str, meaning: str) -> ItemFilter:
    return ItemFilter(name, label, meaning, filter_values.read_annotator, chip=chip, attrs={"list": "annotators"})


def _mark(
    name: str,
    label: str,
    meaning: str,
    having: Items,
    words: tuple[str, str],
    *,
    lacking: Items | None = None,
    chip: tuple[str, str] | None = None,
    **more: Any,
) -> ItemFilter:
    """Return a yes-or-no filter: `having` finds the items for yes. `lacking` finds the items for no, if an index serves
    it.
    """

    def without(items: ItemQuerySet) -> ItemQuerySet:
        return items.exclude(pk__in=having(items.model._default_manager.all()).order_by().values("pk"))

    return ItemFilter(
        name,
        label,
        meaning,
        filter_values.read_mark,
        YES_OR_NO,
        narrow=lambda project, items, yes: having(items) if yes else (lacking or without)(items),
        chip=chip or words,
        **{"choices": (("true", words[0]), ("false", words[1])), **more},
    )


_DECLARED = (
    ItemFilter(
        "q", "Words",
        "Words in the text, the external id, the path of the file and other fields. All words must occur; the last "
        "may be incomplete. "
        '`"quoted words"` are a phrase; `key:value` finds a field that begins with the value. '
        "Case and accents do not matter.",
        filter_values.read_words, chip="contains “{}”", place="front",
        attrs={"type": "search", "placeholder": 'word, "exact phrase", field:value'},
    ),
    ItemFilter(
        "search", "Id contains",
        "A part of the external id, or of the place in the import (a file's name), in any case.",
        lambda project, text: text,
        narrow=lambda project, items, text: items.filter(Q(external_id__icontains=text) | Q(source__icontains=text)),
        chip="id contains “{}”", attrs={"type": "search"},
    ),
    ItemFilter(
        "like", "Similar to",
        "The id of an item: finds the 240 nearest items, by the embeddings of the clustering or, without a "
        "clustering, by the encoder's features. The nearest come first.",
        filter_values.read_like, schema=COUNT, chip="similar to {}", place="",
    ),
    _class(
        "label", "Label", "label: {}", "The label: a class, or for `verify` yes or no.", place="front",
        narrow=lambda project, items, label: items.labeled().filter(holds(project, "label", label)),
    ),
    ItemFilter(
        "state", "State", "`skipped`: all annotators of the task skipped the item.",
        _read_state, schema={"type": "string", "enum": list(STATES)}, choices=tuple(State.choices),
        narrow=lambda project, items, state: STATES[state](items), place="front",
    ),
    ItemFilter(
        "origin", "Origin of the label", "Where the label comes from. `certified`: a model gave it, and a certificate "
        "covers it; no person was asked.",
        _read_origin, schema={"type": "string", "enum": list(ORIGINS)},
        choices=tuple(Origin.choices),
        narrow=lambda project, items, origin: ORIGINS[origin](items),
    ),
    ItemFilter(
        "batch", "Batch", "The number of the batch.",
        filter_values.read_batch, schema=COUNT, narrow=lambda project, items, batch: items.filter(task__batch=batch),
        chip="batch {}", attrs={"inputmode": "numeric"},
    ),
    ItemFilter(
        "cluster", "Cluster", "`BATCH:CLUSTER`, as in `2:17`: picked from this cluster of this batch.",
        filter_values.read_cluster,
        narrow=lambda project, items, place: items.filter(task__batch=place[0], task__cluster=place[1]),
        chip="cluster {1} of batch {0}", attrs={"placeholder": "batch:cluster"},
    ),
    ItemFilter(
        "predicted", "Predicted",
        "`VERSION:CLASS`, as in `3:owl`, or for `verify` `3:yes`: labeled control items that this model "
        "version predicts to be of this class. With `label`, a cell of its confusion matrix. Not for `multi`.",
        filter_values.read_predicted, narrow=lambda project, items, predicted: predicted.among(items),
        chip="version {0} predicts {1}", attrs={"placeholder": "version:class"},
    ),
    _person("annotator", "Annotator", "by {}", "An annotator who answered or skipped the item."),
    _class(
        "answered", "Answered", "answered {}",
        "A class that an annotator (with `annotator`, this annotator) answered, or for `verify` yes or no.",
    ),
    _class(
        "against", "Another person’s answer", "another person answered {}",
        "A class that another person answered in the same task. As on the agreement page, `against`, `divided` and "
        "`unlike` leave out gold tasks and tasks that showed a prediction.",
    ),
    _class(
        "divided", "Different answers about", "different answers about {}", "A class that some people chose and "
        "others did not, in the same task."
    ),
    _person(
        "unlike", "Answered differently by", "{} answered differently",
        "An annotator who answered the same task differently.",
    ),
    _class(
        "known", "Known answer", "known answer: {}", "The known answer of gold items: a class, or for `verify` yes "
        "or no."
    ),
    _mark(
        "flagged", "Flag", "Whether an annotator flagged the item.", ItemQuerySet.flagged, ("flagged", "not flagged")
    ),
    _mark(
        "disagreement", "Agreement", "Whether answers differ from the label. `false`: all agree.",
        ItemQuerySet.in_disagreement, ("in disagreement", "all agree"),
        lacking=lambda items: items.filter(agreement=1),
    ),
    _mark(
        "skips", "Skips", "Whether an annotator skipped the item.",
        ItemQuerySet.skipped_by_somebody, ("skipped by someone", "not skipped"),
    ),
    _mark(
        "corrected", "Settled by a manager", "Whether a manager settled the label.",
        ItemQuerySet.corrected, ("settled", "not settled"), lacking=ItemQuerySet.uncorrected,
        chip=("settled by a manager", "not settled"),
    ),
    _mark(
        "control", "Control slice", "Whether the item is in the control slice: drawn at random and kept out of "
        "training, to measure accuracy.",
        ItemQuerySet.control, ("in it", "not in it"), lacking=lambda items: items.filter(reserved=False),
        chip=("control", "not control"),
    ),
    _mark(
        "queued", "Queued for labeling", "Whether a manager queued the item for the next batch.",
        ItemQuerySet.queued, ("queued", "not queued"), chip=("queued for labeling", "not queued"),
    ),
    _mark(
        "propagated", "Labeled as a near-copy", "Whether the item is a near-copy with the label of another item.",
        ItemQuerySet.propagated, ("labeled as a near-copy", "not labeled as a near-copy"), place="",
    ),
    _mark(
        "gold", "Gold", "Whether the item has a known answer, which checks annotators.",
        ItemQuerySet.gold, ("gold", "not gold"), place="",
    ),
    _mark(
        "excluded", "Excluded", "Whether the item is excluded: not picked, trained on or measured.",
        ItemQuerySet.excluded, ("excluded", "not excluded"), lacking=ItemQuerySet.kept,
        choices=(("true", "excluded"),), unset="not excluded",
    ),
    _mark(
        "deleted", "Deleted", "`true`: only deleted items. Otherwise deleted items are left out.",
        ItemQuerySet.deleted, ("deleted", "not deleted"), lacking=lambda items: items.filter(deleted_at__isnull=True),
        choices=(("true", "deleted"),), unset="not deleted",
    ),
)  # fmt: skip
FILTERS: dict[str, ItemFilter] = {each.name: each for each in _DECLARED}


def read_filter(project: Project, query: Mapping[str, Any]) -> Chosen:
    """Read filters from texts, for example of an address. A missing or empty text sets no filter.

    Raises `FilterError` with a sentence for each unusable text. Runs one query for each filter by class, batch, person
    or words, and three for each of `like` and `predicted`.
    """
    chosen, errors = read_values(FILTERS, project, query, longest=LONGEST)
    if errors:
        raise FilterError(errors)
    return chosen


def matching(project: Project, chosen: Chosen) -> ItemQuerySet:
    """Return the project's items that match all filters, unordered. Deleted items only if the filter `deleted` is
    true.
    """
    items: ItemQuerySet = chosen["q"].items() if "q" in chosen else project.items.order_by()
    set_ones = {"deleted": False, **chosen}
    for each in FILTERS.values():
        if each.narrow and each.name in set_ones:
            items = each.narrow(project, items, set_ones[each.name])
    answered = Answered(**{name: value for name, value in chosen.items() if name in FIELDS})
    items = answered.among(project, items)
    return chosen["like"].among(items) if "like" in chosen else items
