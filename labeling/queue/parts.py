"""Parts of a batch that are assigned to one member or to one group.

A part is a range of ranks. The project's secret seeds the random order of a batch, so every range is equally likely to
hold control tasks. All annotators get the tasks outside parts, and tasks added later, which have the last ranks. A new
part takes no held task from an annotator.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext

from labeling.models import Batch, BatchPart, LogKind, Membership, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.storage.db.statements import rows

MAX_RANK = 2**31 - 1
# First and last rank, both included.
Span = tuple[int, int]
ALL: tuple[Span, ...] = ((0, MAX_RANK),)
MOST_PARTS = 50


class PartError(StateConflict):
    """The part cannot be assigned; the message says why."""


def spans(parts: Iterable[tuple[int, int, bool]]) -> tuple[Span, ...]:
    """Return the spans of ranks that one annotator may get tasks from: the annotator's own parts, then the gaps between
    parts.

    `parts`: for each part the first rank, the last rank plus one, and whether the part is the annotator's.
    """
    ordered = sorted(parts)
    own = [(start, stop - 1) for start, stop, theirs in ordered if theirs]
    between, end = [], 0
    for start, stop, _ in ordered:
        if start > end:
            between.append((end, start - 1))
        end = max(end, stop)
    return (*own, *between, (end, MAX_RANK))


def spans_for(batch: Batch, user: User) -> tuple[Span, ...]:
    """Return the spans of the batch's ranks that the user may get tasks from. Takes no query if the batch has no
    parts.
    """
    if not batch.in_parts:
        return ALL
    return spans(
        rows(
            """
            SELECT p.start, p.stop, CASE WHEN p.user_id = %s OR p."group" = (
                SELECT m."group" FROM labeling_membership m
                WHERE m.project_id = %s AND m.user_id = %s AND m."group" <> ''
            ) THEN 1 ELSE 0 END FROM labeling_batchpart p WHERE p.batch_id = %s
            """,
            [user.pk, batch.project_id, user.pk, batch.pk],
        )
    )


@transaction.atomic
def assign_part(*, batch: Batch, share: float, user: User | None = None, group: str = "") -> BatchPart:
    """Assign this share of the batch to one member or to a group, from the tasks that are neither claimed nor assigned.

    Raises `PartError` if the batch is neither ready nor open, no task is left, no such member can answer, or the batch
    has `MOST_PARTS` parts.
    """
    if not Batch.objects.on_offer().filter(pk=batch.pk).update(in_parts=True):
        batch.refresh_from_db(fields=["state"])
        raise PartError(
            gettext("Batch %(number)s is %(state)s: tasks are assigned while it is ready or open.")
            % {"number": batch.number, "state": gettext(batch.state)}
        )
    if not annotators_of(batch, user, group).exists():
        raise PartError(
            gettext("“%(n1)s” has no members who can answer. Name a group, an annotator or a manager of the project.")
            % {"n1": user or group}
        )
    if batch.parts.count() >= MOST_PARTS:
        raise PartError(gettext("A batch has at most %(most)s assignments: remove one first.") % {"most": MOST_PARTS})
    free = batch.tasks.claimable().values_list("rank", flat=True).first()
    last = batch.tasks.aggregate(last=Max("rank"))["last"]
    assigned = batch.parts.aggregate(stop=Max("stop"))["stop"] or 0
    if free is None or last is None or max(free, assigned) > last:
        raise PartError(gettext("Every task of the batch is assigned or given out already."))
    start = max(free, assigned)
    stop = min(start + max(1, round(share * batch.size)), last + 1)
    part = BatchPart.objects.create(batch=batch, start=start, stop=stop, user=user, group=group)
    subject, after = f"batch {batch.number}", {"part": part.pk, "share": share, "group": group}
    auditlog.record(LogKind.PART_KEPT, project=batch.project, whom=user, subject=subject, after=after)
    return part


@transaction.atomic
def unassign_part(*, batch: Batch, part_id: int) -> bool:
    """Delete a part, so that all annotators may get its tasks. Return False if the batch has no such part."""
    Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    lifted, _ = batch.parts.filter(pk=part_id).delete()
    if not batch.parts.exists():
        Batch.objects.filter(pk=batch.pk).update(in_parts=False)
    if lifted:
        subject = f"batch {batch.number}"
        auditlog.record(LogKind.PART_LIFTED, project=batch.project, subject=subject, before={"part": part_id})
    return bool(lifted)


def annotators_of(batch: Batch, user: User | None, group: str) -> QuerySet[Membership]:
    """Return the memberships of this user, or of this group, that may annotate in the batch's project."""
    people = Membership.objects.annotators().filter(project=batch.project_id)
    return people.filter(user=user) if user is not None else people.filter(group=group).exclude(group="")


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part of a batch, the number of its unanswered tasks, and of the people who can answer them.

    Without any such person the batch cannot become complete.
    """

    part: BatchPart
    unanswered: int
    people: int


def parts_of(batch: Batch) -> list[PartRecord]:
    """Return the batch's parts by rank. Takes two queries for each part; a batch has few."""
    return [
        PartRecord(
            part,
            batch.tasks.unanswered().filter(rank__gte=part.start, rank__lt=part.stop).count(),
            annotators_of(batch, part.user, part.group).count(),
        )
        for part in batch.parts.select_related("user")
    ]
