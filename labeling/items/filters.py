"""Which items: what a manager, an engineer or a program can ask for, all of it combinable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from labeling.items import search
from labeling.items.alike import Alike, alike
from labeling.items.answers import Answered
from labeling.items.predicted import Predicted, predicted_as
from labeling.items.search import Matches
from labeling.items.words import read_search
from labeling.models import Batch, LabelClass, Project, User
from labeling.models.items import ItemQuerySet

# Names that are proposed where somebody asks for a class that there is not.
PROPOSED = 5
LONGEST = 220  # the longest name of a class, and a number in front of it
NUMBER = re.compile(r"\d{1,9}", re.ASCII)
ITEM_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}


class FilterError(ValueError):
    """What is asked for cannot be found in this project: `fields` has one sentence for each of them."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = dict(fields)


class State(models.TextChoices):
    LABELED = "labeled", "labeled"
    SKIPPED = "skipped", "skipped by all"
    OPEN = "open", "waiting for answers"
    AGAIN = "again", "asked again"
    UNLABELED = "unlabeled", "not picked yet"
    UNDECIDED = "undecided", "answered, undecided"
    UNREADABLE = "unreadable", "unreadable"
    EXCLUDED = "excluded", "excluded before it was picked"


STATES: dict[str, Callable[[ItemQuerySet], ItemQuerySet]] = {
    State.LABELED: ItemQuerySet.labeled,
    State.SKIPPED: ItemQuerySet.skipped,
    State.OPEN: ItemQuerySet.under_way,
    State.AGAIN: ItemQuerySet.to_be_asked_again,
    State.UNLABELED: ItemQuerySet.unpicked,
    State.UNDECIDED: ItemQuerySet.undecided,
    State.UNREADABLE: ItemQuerySet.unreadable,
    State.EXCLUDED: ItemQuerySet.excluded_unpicked,
}

# Questions that are answered yes or no.
MARKS: dict[str, Callable[[ItemQuerySet], ItemQuerySet]] = {
    "flagged": ItemQuerySet.flagged,
    "disagreement": ItemQuerySet.in_disagreement,
    "skips": ItemQuerySet.skipped_by_somebody,
    "corrected": ItemQuerySet.corrected,
    "control": ItemQuerySet.control,
    "queued": ItemQuerySet.queued,
    "propagated": ItemQuerySet.propagated,
    "gold": ItemQuerySet.gold,
    "excluded": ItemQuerySet.excluded,
    "deleted": ItemQuerySet.deleted,
}


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Each is None (or empty) where it does not matter, but `deleted`: unless they are asked for, no list has deleted
    items. `label`: a class's index, or yes or no for `verify`. `cluster`: a batch and one of its
    clusters.
    """

    label: int | bool | None = None
    batch: Batch | None = None
    annotator: User | None = None
    answered: int | bool | None = None
    against: int | bool | None = None
    divided: int | bool | None = None
    unlike: User | None = None
    known: int | bool | None = None
    predicted: Predicted | None = None
    cluster: tuple[Batch, int] | None = None
    state: str = ""
    search: str = ""
    q: Matches | None = None
    like: Alike | None = None
    flagged: bool | None = None
    disagreement: bool | None = None
    skips: bool | None = None
    corrected: bool | None = None
    control: bool | None = None
    queued: bool | None = None
    propagated: bool | None = None
    gold: bool | None = None
    excluded: bool | None = None
    deleted: bool | None = None


def read_filter(project: Project, query: Mapping[str, Any]) -> ItemFilter:
    """Read what is asked for as text, as it stands in an address: what is missing or empty does not matter.

    Raises `FilterError` with a sentence for each that cannot be used. A query each for classes, batch, people and `q`,
    and three each for `like` and `predicted`.
    """
    read: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, reader in READERS.items():
        text = str(query.get(name) or "").strip()
        if text:
            try:
                if len(text) > LONGEST or "\x00" in text:
                    raise LookupError(f"Enter at most {LONGEST} characters, and no NUL among them.")
                read[name] = reader(project, text)
            except LookupError as error:
                errors[name] = str(error.args[0])
    if errors:
        raise FilterError(errors)
    return ItemFilter(**read)


def _label(project: Project, name: str) -> int | bool:
    if project.asks.proposes:
        if name.lower() not in YES_OR_NO:
            raise LookupError("Labels are yes or no here: enter one of them.")
        return YES_OR_NO[name.lower()]
    index = project.classes.filter(name=name).values_list("index", flat=True).first()
    if index is not None:
        return index
    raise LookupError(unknown_class(project, name))


def _batch(project: Project, text: str) -> Batch:
    if not NUMBER.fullmatch(text):
        raise LookupError("Enter the number of a batch.")
    batch = project.batches.filter(number=int(text)).first()
    if batch is None:
        raise LookupError(f"There is no batch {text} in this project.")
    return batch


def _cluster(project: Project, text: str) -> tuple[Batch, int]:
    number, _, cluster = text.partition(":")
    if not NUMBER.fullmatch(number) or not ITEM_NUMBER.fullmatch(cluster):
        raise LookupError("Enter the numbers of a batch and of a cluster with a colon between them, such as 2:17.")
    batch = _batch(project, number)
    if not batch.clusters:
        raise LookupError(f"Batch {number} was not picked by clusters.")
    return batch, int(cluster)


def _predicted(project: Project, text: str) -> Predicted:
    number, colon, name = text.partition(":")
    if not colon or not NUMBER.fullmatch(number):
        raise LookupError("Enter the number of a model version, a colon and a class.")
    if project.asks.several:
        raise LookupError("Predictions cannot be searched where several classes may apply: they are not stored.")
    version = project.versions.filter(number=int(number)).first()
    if version is None:
        raise LookupError(f"There is no model version {number} in this project.")
    return predicted_as(project, version, int(_label(project, name.strip())))


def _annotator(project: Project, username: str) -> User:
    # Former members too: what they have answered stays. Whether other people have an account is nobody's business here.
    user = User.objects.filter(username=username).first()
    known = user and (
        user.memberships.filter(project=project).exists()
        or user.annotations.filter(task__batch__project=project).exists()
    )
    if user is None or not known:
        raise LookupError(f"Nobody called “{username[:60]}” is or was an annotator of this project.")
    return user


def _words(project: Project, text: str) -> Matches:
    if terms := read_search(text):
        return search.look_up(project, terms)
    raise LookupError("Enter at least one letter or digit.")


def _like(project: Project, text: str) -> Alike:
    item = project.items.filter(pk=int(text)).first() if ITEM_NUMBER.fullmatch(text) else None
    if item is None:
        raise LookupError("There is no such item in this project.")
    return alike(project, item)


def _state(project: Project, text: str) -> str:
    if text not in STATES:
        raise LookupError(f"Choose one of {', '.join(STATES)}.")
    return text


def _mark(project: Project, text: str) -> bool:
    if text not in YES_OR_NO:
        raise LookupError("Answer true or false.")
    return YES_OR_NO[text]


READERS: dict[str, Callable[[Project, str], Any]] = {
    "q": _words,
    "like": _like,
    "search": lambda project, text: text,
    "label": _label,
    "state": _state,
    "batch": _batch,
    "cluster": _cluster,
    "predicted": _predicted,
    "annotator": _annotator,
    **dict.fromkeys(("answered", "against", "divided", "known"), _label),
    "unlike": _annotator,
    **dict.fromkeys(MARKS, _mark),
}


def unknown_class(project: Project, name: str) -> str:
    """What to say to somebody who asks for a class that there is not: with a few that are."""
    close = classes_like(project, name, PROPOSED)
    proposal = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"This project has no class “{name[:60]}”.{proposal}"


def classes_like(project: Project, text: str, n: int) -> list[str]:
    """Up to `n` names of classes that hold `text`, those that begin with it first."""
    begins = models.Case(models.When(name__istartswith=text, then=0), default=1)
    classes: models.QuerySet[LabelClass] = project.classes.filter(name__icontains=text).order_by(begins, "index")
    return list(classes.values_list("name", flat=True)[:n])


def matching(project: Project, chosen: ItemFilter) -> ItemQuerySet:
    """The project's items that the filter lets through, in no order."""
    items: ItemQuerySet = chosen.q.items() if chosen.q else project.items.order_by()
    if chosen.label is not None:
        several = project.asks.several
        items = items.labeled_with(chosen.label) if several else items.labeled_as(chosen.label)
    if chosen.batch is not None:
        items = items.filter(task__batch=chosen.batch)
    if chosen.cluster is not None:
        items = items.filter(task__batch=chosen.cluster[0], task__cluster=chosen.cluster[1])
    if chosen.predicted is not None:
        items = chosen.predicted.among(items)
    answered = Answered(chosen.annotator, chosen.answered, chosen.against, chosen.divided, chosen.unlike, chosen.known)
    if answered.asks:
        items = answered.among(project, items)
    elif chosen.annotator is not None:
        items = items.answered_by(chosen.annotator)
    if chosen.state:
        items = STATES[chosen.state](items)
    if chosen.search:
        items = items.filter(models.Q(external_id__icontains=chosen.search) | models.Q(source__icontains=chosen.search))
    for name, having in MARKS.items():
        answer = bool(chosen.deleted) if name == "deleted" else getattr(chosen, name)
        if answer is not None:
            items = having(items) if answer else _without(items, name)
    return chosen.like.among(items) if chosen.like else items


def _without(items: ItemQuerySet, mark: str) -> ItemQuerySet:
    """The items that do not bear the mark; said so that no index of those that do is lost."""
    if mark == "control":
        return items.filter(reserved=False)
    if mark == "excluded":
        return items.kept()
    if mark == "deleted":
        return items.filter(deleted_at__isnull=True)
    if mark == "disagreement":
        return items.filter(agreement=1)
    if mark == "corrected":
        return items.uncorrected()
    return items.exclude(pk__in=MARKS[mark](items.model._default_manager.all()).order_by().values("pk"))
