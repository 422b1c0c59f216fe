"""Removals of items from the pool, what they leave in the database's files, and changes of all items that match some
filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from labeling.models.jobs import Job


class RemovalQuerySet(models.QuerySet["Removal"]):
    def standing(self) -> RemovalQuerySet:
        """Return the removals of items that are still excluded: at most one per item."""
        return self.filter(ended_at__isnull=True)

    def at_once(self) -> RemovalQuerySet:
        """Return the removals of items that a worker erases as soon as it can. They cannot be ended."""
        return self.standing().filter(at_once=True)

    def hold_up(self, job: Job) -> bool:
        """Return whether items are to be erased at once that the job binds."""
        return job.facts.binds and self.at_once().filter(item__project=job.project_id).exists()


class Removal(models.Model):
    """A manager's exclusion or deletion of an item. The row of a restored item stays, with the time of its end."""

    item = models.ForeignKey("labeling.Item", on_delete=models.CASCADE, related_name="removals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="removals")
    deleted = models.BooleanField(default=False, help_text="Deleted, not only excluded.")
    at_once = models.BooleanField(
        default=False, db_default=False, help_text="Erased as soon as a worker can, not after 30 days."
    )
    reason = models.CharField(max_length=300, blank=True)
    closed_task = models.PositiveBigIntegerField(null=True, help_text="Key of the task that this closed, if any.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="removals_ended"
    )

    objects = RemovalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=models.Q(ended_at__isnull=True), name="one_standing_removal"
            ),
        ]
        indexes = [
            models.Index(
                fields=["closed_task"], condition=models.Q(closed_task__isnull=False), name="removal_closed_task"
            ),
            models.Index(fields=["item"], condition=models.Q(at_once=True), name="removal_at_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.item} is {'deleted' if self.deleted else 'excluded'}"


class Leftover(models.Model):
    """Rows were removed for good, and unused parts of the database's files may still have their words.

    The transaction that removes the rows inserts it. It goes once these parts are overwritten: see
    `labeling.labels.items.leftovers`.
    """

    created_at = models.DateTimeField(auto_now_add=True)
    urgent = models.BooleanField(default=False, help_text="Somebody asked to erase the rows at once.")

    def __str__(self) -> str:
        return f"leftovers of {self.created_at:%Y-%m-%d %H:%M:%S}"


class BulkChangeQuerySet(models.QuerySet["BulkChange"]):
    def unfinished(self) -> BulkChangeQuerySet:
        return self.filter(finished_at__isnull=True)

    def due(self) -> BulkChangeQuerySet:
        """Return the unfinished changes of projects that are neither archived nor deleted."""
        return self.unfinished().filter(project__archived_at=None, project__deleted_at=None)


class BulkChange(models.Model):
    """A change of all items that match some filters. `position` is the id of the last processed item; an interrupted
    change continues there.
    """

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="bulk_changes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=10)
    filters = models.JSONField(default=dict, help_text="As they stand in the address of the list.")
    reason = models.CharField(max_length=300, blank=True)
    value = models.JSONField(null=True, help_text="The label of a relabeling.")
    last_item = models.PositiveBigIntegerField(help_text="Items that came later are not changed.")
    total = models.PositiveBigIntegerField(help_text="Items that matched when it was asked for.")
    position = models.PositiveBigIntegerField(default=0)
    seen = models.PositiveBigIntegerField(default=0, help_text="Items that were looked at.")
    changed = models.PositiveBigIntegerField(default=0)
    failure = models.CharField(max_length=300, blank=True, help_text="Why it stopped before its end.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = BulkChangeQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["project"], condition=models.Q(finished_at__isnull=True), name="bulk_unfinished"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.seen:,} of {self.total:,} items"
