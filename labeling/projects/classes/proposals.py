"""Proposals of classes: an annotator proposes a missing class with a skip, and a manager accepts or dismisses its name.

For the queue a proposal is a skip. Accepting a name gives the class to the items of its proposals as a correction.
"""

from collections import Counter
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from labeling import questions
from labeling.labels import corrections
from labeling.loop import batches
from labeling.models import Batch, ClassProposal, Correction, Item, LabelClass, LogKind, Project, Task, User
from labeling.models.classes import MAX_ALIASES, MAX_PROPOSAL, folded
from labeling.observing import auditlog
from labeling.projects.classes import changing as classes
from labeling.projects.classes.common import ClassError
from labeling.projects.people import invisible
from labeling.questions import InvalidValue

# Proposals that one call of `accept` settles, and proposals that `groups` reads.
AT_ONCE = 500
LISTED = 2_000
NOTE = "A class that an annotator proposed"


@dataclass(frozen=True, slots=True)
class Group:
    """Open proposals of one name: `name` is its most frequent spelling."""

    key: str
    name: str
    items: list[Item]
    people: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The result of `accept`: the class, and how many proposals were labeled, wait for answers or are left over."""

    label_class: LabelClass
    labeled: int
    waiting: int
    left: int


def check_setting(project: Project) -> None:
    """Raise `ValidationError` if the project takes proposals, but its question has fixed classes."""
    if project.class_proposals and project.asks.fixed_classes:
        takers = questions.listed(lambda question: not question.fixed_classes)
        text = gettext("Annotators can propose classes only where the question is %(questions)s.")
        raise ValidationError({"class_proposals": text % {"questions": takers}})


def read_name(project: Project, text: str) -> str:
    """Return the name of a proposed class, trimmed. Raises `InvalidValue` for a bad name or a project without
    proposals.
    """
    name = " ".join(text.split())
    if not project.class_proposals:
        raise InvalidValue(
            gettext("This project does not accept proposals for classes. Skip the item with another reason.")
        )
    if not name or len(name) > MAX_PROPOSAL:
        raise InvalidValue(
            gettext("Enter the name of the class you propose, in at most %(most)s characters.") % {"most": MAX_PROPOSAL}
        )
    if invisible.first_invisible(name) is not None or "\x00" in name:
        raise InvalidValue(gettext("The name has an invisible character. Type it again."))
    return name


def groups(project: Project) -> list[Group]:
    """Return the open proposals grouped by name, the group with the most items first. Takes one query."""
    by_key: dict[str, list[ClassProposal]] = {}
    rows = (
        project.proposals.open()
        .select_related("annotation__task__item", "annotation__task__repeats")
        .order_by("-pk")[:LISTED]
    )
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    every = [
        Group(
            key=key,
            name=Counter(row.name for row in proposals).most_common(1)[0][0],
            items=list({row.annotation.task.item_key: row.annotation.task.shown for row in proposals}.values()),
            people=len({row.annotation.user_id for row in proposals}),
        )
        for key, proposals in by_key.items()
    ]
    return sorted(every, key=lambda group: -len(group.items))


@transaction.atomic
def accept(*, project: Project, user: User, key: str, name: str = "", into: int | None = None) -> Accepted:
    """Give the items of these proposals a class: a new class called `name`, or the class with the index `into`.

    The class `into` gets the proposed name as an alias. Items that people are still answering keep their proposals for
    a later call. A call settles at most `AT_ONCE` proposals. Raises `ValidationError` by field, or `ClassError`.
    """
    chosen = _locked(project.proposals.open().filter(key=key))
    project = Project.objects.locked(project.pk)
    proposals = project.proposals.open().filter(key=key)
    first = proposals.filter(pk__in=chosen).first()
    if first is None:
        raise ClassError(gettext("This proposal no longer exists."))
    with auditlog.part_of_one():
        if into is None:
            label_class = classes.add(project=project, user=user, name=name)
        else:
            label_class = _class_with_alias(project, user, into, first)
        labeled, waiting = _label_items(project, user, proposals.filter(pk__in=chosen), label_class)
    after = {"accepted": key, "class": label_class.index, "labeled": labeled}
    auditlog.record(LogKind.PROPOSAL_SETTLED, project=project, after=after)
    return Accepted(label_class, labeled, waiting, left=proposals.count() - waiting)


@transaction.atomic
def dismiss(*, project: Project, user: User, key: str) -> int:
    """Dismiss the proposals with this key; their items stay skipped. Returns their number.

    Raises `ClassError` if no open proposal has the key.
    """
    proposals = project.proposals.filter(pk__in=project.proposals.open().filter(key=key).values("pk"))
    dismissed = proposals.update(settled_at=timezone.now(), settled_by=user)
    if not dismissed:
        raise ClassError(gettext("This proposal no longer exists."))
    auditlog.record(LogKind.PROPOSAL_SETTLED, project=project, after={"dismissed": key})
    return dismissed


def _locked(proposals: QuerySet[ClassProposal]) -> list[int]:
    """Return the keys of at most `AT_ONCE` of these proposals, and lock their tasks and batches: corrections change
    both, and the project is locked after them.
    """
    rows = list(proposals.select_related("annotation__task").order_by("annotation__task")[:AT_ONCE])
    tasks = Task.objects.of_items([row.annotation.task.item_key for row in rows])
    locked = list(tasks.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("batch", flat=True))
    batches.lock(Batch.objects.filter(pk__in=locked))
    return [row.pk for row in rows]


def _class_with_alias(project: Project, user: User, index: int, proposal: ClassProposal) -> LabelClass:
    """Return the offered class with this index, with the proposed name among its aliases if there is room."""
    label_class = project.classes.offered().filter(index=index).first()
    if label_class is None:
        raise ClassError(gettext("This project does not offer this class."))
    known = {folded(each) for each in (label_class.name, *label_class.aliases)}
    if proposal.key not in known and len(label_class.aliases) < MAX_ALIASES:
        aliases = [*label_class.aliases, proposal.name]
        label_class = classes.edit(project=project, user=user, index=index, aliases=aliases)
    return label_class


def _label_items(
    project: Project, user: User, proposals: QuerySet[ClassProposal], label_class: LabelClass
) -> tuple[int, int]:
    """Correct the items of these proposals. Returns how many were labeled, and how many still wait for answers."""
    settled, waiting = [], 0
    for row in proposals.select_related("annotation__task").order_by("annotation__task"):
        try:
            _correct(project, user, row.annotation.task.item_key, label_class.index)
        except corrections.CorrectionError:
            waiting += 1
        else:
            settled.append(row.pk)
    ClassProposal.objects.filter(pk__in=settled).update(
        settled_at=timezone.now(), settled_by=user, taken_as=label_class.index
    )
    return len(settled), waiting


def _correct(project: Project, user: User, item_id: int, index: int) -> None:
    """Correct the item's label to this class, or add the class to a label of several classes.

    A label of one class that was corrected before stays.
    """
    item = Item.objects.get(pk=item_id)
    if not project.asks.several and Correction.objects.standing().filter(item=item).exists():
        return
    corrections.correct(item=item, user=user, value=project.asks.with_class(item.label, index), note=NOTE)
