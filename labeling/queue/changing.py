"""Changes that managers make to several items at once, such as to ask annotators again. Pages, API and commands share
this list of actions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from labeling.labels import corrections, counting
from labeling.labels.corrections import CorrectionError
from labeling.loop import batches
from labeling.models import CertifiedLabel, Item, LogKind, Project, Task, User
from labeling.models.items import ItemQuerySet
from labeling.observing import auditlog
from labeling.queue import removing
from labeling.storage.db.long_writes import in_parts

# One request changes at most this many items: it takes some seconds, with pauses for other writers.
MAX_ITEMS = 1000
# The audit log stores the ids of this many items in one entry; of longer values it stores only a checksum.
LOGGED = 150
# Items per transaction: other writers wait for its end.
PART = 100


class Action(NamedTuple):
    """An action on items.

    `title`: the text of its button. `done`: what the page calls the changed items. `meaning`: its consequences, for the
    manager. `fits`: filters a queryset to the items that the action changes.
    """

    title: str
    done: str
    meaning: str
    fits: Any


def _correctable(items: ItemQuerySet) -> ItemQuerySet:
    certified = CertifiedLabel.objects.standing().filter(item=OuterRef("pk"))
    return items.filter(Q(task__isnull=False, task__outstanding=0) | (Q(task=None) & Exists(certified)))


def _queueable(items: ItemQuerySet) -> ItemQuerySet:
    return items.kept().filter(task__isnull=True, queued_at__isnull=True)


def repeatable(items: ItemQuerySet) -> ItemQuerySet:
    """Return the items that can be asked again: they have all their answers, and no manager has settled them."""
    settled = items.kept().uncorrected().filter(row__isnull=False, task__outstanding=0, again_at__isnull=True)
    return settled.exclude(pk__in=Task.objects.further().filter(is_gold=False, outstanding__gt=0).values("repeats"))


def ask_again(*, project: Project, ids: Sequence[int]) -> int:
    """Remove the labels of these items and mark them for the next batch. Return the number of items.

    The old answers are kept and do not count any more. Each transaction changes `PART` items, so a second call after an
    interruption changes the remaining ones.
    """
    asked = 0
    for part in in_parts(sorted(ids), PART):
        with transaction.atomic():
            # The same locks as those of an undo.
            Task.objects.of_items(part).lock()
            items = Item.objects.filter(
                pk__in=list(repeatable(project.items.filter(pk__in=part)).values_list("pk", flat=True))
            )
            with counting.labels_counted(part):
                asked += items.update(
                    label=None, agreement=None, labeled_at=None, label_quality=None, likely_label=None,
                    again_at=timezone.now(), sent_back=True,
                )  # fmt: skip
    if asked:  # the pool may have been empty
        batches.ensure_next(project=project)
    return asked


EXCLUDE, INCLUDE, DELETE, RESTORE, ERASE = "exclude", "include", "delete", "restore", "erase"
QUEUE, UNQUEUE, RELABEL, AGAIN, GOLD, UNGOLD = "queue", "unqueue", "relabel", "again", "gold", "ungold"
CLOSING = (EXCLUDE, DELETE, ERASE)
"""The actions that take items out of the pool and close their open tasks."""

ACTIONS: Mapping[str, Action] = {
    QUEUE: Action("Queue for labeling", "queued", "They will be in the next batch.", _queueable),
    UNQUEUE: Action(
        "Remove from the queue", "removed from the queue", "They can still be picked.", ItemQuerySet.queued
    ),
    RELABEL: Action("Relabel", "relabeled", "Your label overrides the answers. The answers are kept.", _correctable),
    AGAIN: Action(
        "Ask again",
        "to be asked again",
        "They lose their label and are asked again in the next batches. Existing answers are kept. Items that a "
        "manager has settled stay the same.",
        repeatable,
    ),
    GOLD: Action(
        "Use as gold",
        "used as gold",
        "Their label counts as known. Annotators get them among other items, at the share in the settings, and "
        "cannot recognize them. The answers measure how often each person is right and do not change the label.",
        lambda items: items.labeled().kept().filter(row__isnull=False, gold__isnull=True),
    ),
    UNGOLD: Action("Stop using as gold", "no longer gold", "New batches do not use them as gold.", ItemQuerySet.gold),
    EXCLUDE: Action(
        "Exclude",
        "excluded",
        "They are not picked, trained on, measured or exported. Answers are kept. Existing model versions stay the "
        "same; the next training leaves them out.",
        ItemQuerySet.kept,
    ),
    INCLUDE: Action(
        "Include again",
        "included again",
        "They are back in the pool.",
        lambda items: items.excluded().filter(deleted_at__isnull=True),
    ),
    DELETE: Action(
        "Delete",
        "deleted",
        "They disappear from all lists and from the pool. You can restore them for 30 days. Then they are deleted for "
        "good, with their files and annotations.",
        lambda items: items.filter(deleted_at__isnull=True),
    ),
    RESTORE: Action(
        "Restore", "restored", "They are back in the pool.", lambda items: items.deleted().not_being_erased()
    ),
    ERASE: Action(
        "Erase now",
        "erased in the next minutes",
        "A worker erases them for good in the next minutes, with their files, annotations and comments, also from "
        "all dataset versions, which get new digests. They cannot be restored.",
        ItemQuerySet.not_being_erased,
    ),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a change. Named items that the change does not fit stay as they are."""

    items: Annotated[int, "Items that it changes, or has changed."]
    labels: Annotated[int, "Those of them that have a label."]
    tasks: Annotated[int, "Those of them whose task in the open batch is closed."]


@dataclass(frozen=True, slots=True)
class Change:
    """An action on these items; items that it does not fit stay unchanged. `value`: the stored label for `relabel`."""

    action: str
    ids: Sequence[int]
    reason: str = ""
    value: Any = None

    def preview(self, project: Project) -> Effect:
        """Return the effect that the change would have now. Takes three queries."""
        return self.effect_on(project.items.filter(pk__in=self.ids).order_by())

    def effect_on(self, items: ItemQuerySet) -> Effect:
        """Return the effect that the change would have on these items. Takes three queries, each over all items."""
        items = ACTIONS[self.action].fits(items)
        closes = self.action in CLOSING
        return Effect(items.count(), items.labeled().count(), items.under_way().count() if closes else 0)

    def carry_out(self, project: Project, user: User) -> Effect:
        """Apply the change in several transactions: a second call after an interruption changes the remaining items.

        Raises `RemovalError` if other requests change the items' tasks at the same moment.
        """
        effect = self.preview(project)
        ids = list(self._items(project).order_by("pk").values_list("pk", flat=True))
        # Before the first transaction: an interruption leaves no change without an entry.
        if ids and self.action == ERASE:
            for start in range(0, len(ids), LOGGED):
                part = ids[start : start + LOGGED]
                before = {"count": len(part), "items": part}
                auditlog.record(LogKind.ERASURE_ASKED, project=project, before=before, after={"reason": self.reason})
        elif ids:
            after = {"action": self.action, "count": len(ids), "items": ids, "value": self.value}
            auditlog.record(LogKind.ITEMS_CHANGED, project=project, after=after)
        with auditlog.part_of_one():
            n = self._apply(project, user, ids)
        return Effect(n, effect.labels, effect.tasks)

    def _apply(self, project: Project, user: User, ids: Sequence[int]) -> int:
        if self.action in CLOSING:
            delete, at_once = self.action == DELETE, self.action == ERASE
            return removing.remove_items(
                project=project, ids=ids, user=user, reason=self.reason, delete=delete, at_once=at_once
            )
        if self.action in (INCLUDE, RESTORE):
            return removing.restore_items(project=project, ids=ids, user=user)
        if self.action == RELABEL:
            return self._relabel(project, ids, user)
        if self.action == AGAIN:
            return ask_again(project=project, ids=ids)
        if self.action in (GOLD, UNGOLD):
            return project.items.filter(pk__in=ids).update(gold=F("label") if self.action == GOLD else None)
        queued_at = timezone.now() if self.action == QUEUE else None
        return project.items.filter(pk__in=ids).update(queued_at=queued_at)

    def _items(self, project: Project) -> ItemQuerySet:
        items: ItemQuerySet = ACTIONS[self.action].fits(project.items.filter(pk__in=self.ids).order_by())
        return items

    def _relabel(self, project: Project, ids: Sequence[int], user: User) -> int:
        n = 0
        for item in project.items.filter(pk__in=ids).order_by("pk"):
            try:
                corrections.correct(item=item, user=user, value=self.value, note=self.reason)
                n += 1
            except CorrectionError:  # an annotator has just undone an answer to this item
                continue
        return n
