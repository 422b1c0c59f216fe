"""Which items: what a manager, an engineer or a program can ask for, all of it combinable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from labeling.models import Batch, LabelClass, Project, User
from labeling.models.items import ItemQuerySet

# Names that are proposed where somebody asks for a class that there is not.
PROPOSED = 5
YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}


class State(models.TextChoices):
    LABELED = "labeled", "labeled"
    SKIPPED = "skipped", "skipped by all"
    OPEN = "open", "waiting for answers"
    UNLABELED = "unlabeled", "not picked yet"
    UNREADABLE = "unreadable", "unreadable"


STATES: dict[str, Callable[[ItemQuerySet], ItemQuerySet]] = {
    State.LABELED: ItemQuerySet.labeled,
    State.SKIPPED: ItemQuerySet.skipped,
    State.OPEN: ItemQuerySet.under_way,
    State.UNLABELED: ItemQuerySet.unlabeled,
    State.UNREADABLE: ItemQuerySet.unreadable,
}

# Questions that are answered yes or no.
MARKS: dict[str, Callable[[ItemQuerySet], ItemQuerySet]] = {
    "flagged": ItemQuerySet.flagged,
    "disagreement": ItemQuerySet.in_disagreement,
    "skips": ItemQuerySet.skipped_by_somebody,
    "corrected": ItemQuerySet.corrected,
    "control": ItemQuerySet.control,
}


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Each is None (or empty) where it does not matter. `label`: a class's index, or yes or no for `verify`."""

    label: int | bool | None = None
    batch: Batch | None = None
    annotator: User | None = None
    state: str = ""
    search: str = ""
    flagged: bool | None = None
    disagreement: bool | None = None
    skips: bool | None = None
    corrected: bool | None = None
    control: bool | None = None


def read_filter(project: Project, values: dict[str, Any]) -> ItemFilter:
    """The filter that these values, right in form, ask for. Raises `ValidationError` naming what the project lacks."""
    read: dict[str, Any] = {name: values[name] for name in MARKS if values.get(name) is not None}
    errors: dict[str, str] = {}
    for name, look_up in (("label", _label), ("batch", _batch), ("annotator", _annotator)):
        if values.get(name) not in (None, ""):
            try:
                read[name] = look_up(project, values[name])
            except LookupError as error:
                errors[name] = str(error.args[0])
    if errors:
        raise ValidationError(errors)
    return ItemFilter(**read, state=values.get("state") or "", search=values.get("search") or "")


def _label(project: Project, name: str) -> int | bool:
    if project.question == Project.Question.VERIFY:
        if name.lower() not in YES_OR_NO:
            raise LookupError("Labels are yes or no here: enter one of them.")
        return YES_OR_NO[name.lower()]
    found = project.classes.filter(name=name).values_list("index", flat=True).first()
    if found is not None:
        return found
    close = classes_like(project, name, PROPOSED)
    proposal = f" Did you mean {' or '.join(close)}?" if close else ""
    raise LookupError(f"This project has no class “{name[:60]}”.{proposal}")


def _batch(project: Project, number: int) -> Batch:
    batch = project.batches.filter(number=number).first()
    if batch is None:
        raise LookupError(f"There is no batch {number} in this project.")
    return batch


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


def classes_like(project: Project, text: str, n: int) -> list[str]:
    """Up to `n` names of classes that hold `text`, those that begin with it first."""
    begins = models.Case(models.When(name__istartswith=text, then=0), default=1)
    found: models.QuerySet[LabelClass] = project.classes.filter(name__icontains=text).order_by(begins, "index")
    return list(found.values_list("name", flat=True)[:n])


def matching(project: Project, wanted: ItemFilter) -> ItemQuerySet:
    """The project's items that the filter lets through, in no order."""
    items: ItemQuerySet = project.items.order_by()
    if wanted.label is not None:
        multi = project.question == Project.Question.MULTI
        items = items.labeled_with(wanted.label) if multi else items.labeled_as(wanted.label)
    if wanted.batch is not None:
        items = items.filter(task__batch=wanted.batch)
    if wanted.annotator is not None:
        items = items.answered_by(wanted.annotator)
    if wanted.state:
        items = STATES[wanted.state](items)
    if wanted.search:
        # In a query of its own: the index over the ids answers it, without a look at the items' data.
        items = items.filter(pk__in=project.items.filter(external_id__icontains=wanted.search).order_by().values("pk"))
    for name, having in MARKS.items():
        answer = getattr(wanted, name)
        if answer is not None:
            items = having(items) if answer else _without(items, name)
    return items


def _without(items: ItemQuerySet, mark: str) -> ItemQuerySet:
    """The items that do not bear the mark; said so that no index of those that do is lost."""
    if mark == "control":
        return items.filter(is_control=False)
    if mark == "disagreement":
        return items.filter(agreement=1)
    if mark == "corrected":
        return items.uncorrected()
    return items.exclude(pk__in=MARKS[mark](items.model._default_manager.all()).order_by().values("pk"))
