"""Tasks assigned to annotators, their answers, counters of their work, managers' corrections, and reviewers'
places on items and comments.
"""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.batches import IMPORTED

if TYPE_CHECKING:
    from labeling.models.projects import Project


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def pending(self) -> AssignmentQuerySet:
        """Return assignments that are held but not yet answered."""
        return self.filter(answered_at__isnull=True, ended_at__isnull=True)

    def ended(self) -> AssignmentQuerySet:
        """Return assignments that the annotator released or lost to another annotator."""
        return self.filter(ended_at__isnull=False)


class Assignment(models.Model):
    """One annotator's place on a task: held by a lease until the annotator answers, then for good.

    An assignment ends when the annotator releases it or loses it to another annotator. Its row stays as a record of who
    held the task and until when.
    """

    task = models.ForeignKey("labeling.Task", on_delete=models.CASCADE, related_name="assignments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments")
    lease_expires_at = models.DateTimeField()
    claimed_at = models.DateTimeField(default=timezone.now, help_text="When it was last claimed.")
    answered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "user"], name="one_place_per_annotator"),
            models.CheckConstraint(
                condition=models.Q(answered_at__isnull=True) | models.Q(ended_at__isnull=True),
                name="answered_places_stay",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_expires_at"],
                condition=models.Q(answered_at__isnull=True, ended_at__isnull=True),
                name="assignment_pending",
            ),
            # Covers all columns that a claim reads. Otherwise SQLite uses the foreign key's index and scans all
            # answered assignments of the user.
            models.Index(
                fields=["user", "task", "lease_expires_at"],
                condition=models.Q(answered_at__isnull=True, ended_at__isnull=True),
                name="assignment_own",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} on {self.task}"


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    def standing(self) -> AnnotationQuerySet:
        """Return answers and skips that were not undone."""
        return self.filter(undone_at__isnull=True)

    def answers(self) -> AnnotationQuerySet:
        return self.standing().filter(value__isnull=False)

    def by_people(self) -> AnnotationQuerySet:
        """Return the answers that people gave to tasks here, unlike those imported with labels. Figures of people's
        pace, accuracy and agreement count these alone.
        """
        return self.answers().exclude(task__batch__strategy=IMPORTED)

    def deciding(self, *, with_skips: bool = False) -> AnnotationQuerySet:
        """Return the answers, or answers and skips, by which tasks are done and from which labels and the outcomes of
        audits follow.
        """
        return self.standing() if with_skips else self.answers()

    def skips(self) -> AnnotationQuerySet:
        return self.standing().filter(value__isnull=True)


class Annotation(models.Model):
    """One annotator's answer to a task, or skip with its reason.

    The client makes the id, by which the server recognises a request that is sent twice. The row of an undone answer
    stays, so that a late retry of the request cannot store the answer again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    task = models.ForeignKey("labeling.Task", on_delete=models.CASCADE, related_name="annotations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="annotations")
    value = models.JSONField(null=True)
    skip_reason = models.CharField(max_length=200, blank=True)
    flagged = models.BooleanField(default=False)
    seconds = models.FloatField(default=0, help_text="From the item's appearance to the answer.")
    class_revision = models.PositiveIntegerField(
        default=0, help_text="How often the classes had been changed when it was given: see `ClassChange`."
    )
    guidelines_version = models.PositiveIntegerField(
        default=0, help_text="Number of the guidelines that the annotator had on the screen; 0 for none, or not known."
    )
    sampled = models.BooleanField(
        default=False, db_default=False, help_text="Drawn for review, by chance. Never shown to annotators."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True)

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task", "user"],
                condition=models.Q(undone_at__isnull=True),
                name="one_standing_annotation",
            ),
            models.CheckConstraint(
                condition=models.Q(value__isnull=False, skip_reason="")
                | (models.Q(value__isnull=True) & ~models.Q(skip_reason="")),
                name="answer_or_skip",
            ),
            models.CheckConstraint(condition=models.Q(seconds__gte=0), name="seconds_not_negative"),
        ]
        indexes = [
            models.Index(fields=["user", "created_at"], name="annotation_by_user"),
            # Managers list these few among a million annotations.
            models.Index(
                fields=["task"], condition=models.Q(flagged=True, undone_at__isnull=True), name="annotation_flagged"
            ),
            models.Index(
                fields=["task"],
                condition=models.Q(value__isnull=True, undone_at__isnull=True),
                name="annotation_skipped",
            ),
            models.Index(
                fields=["task"], condition=models.Q(sampled=True, undone_at__isnull=True), name="annotation_sampled"
            ),
            # Few, which the page that deletes a project counts beside the work done.
            models.Index(fields=["task"], condition=models.Q(undone_at__isnull=False), name="annotation_undone"),
        ]

    def __str__(self) -> str:
        return f"{self.user}'s answer to {self.task}"


class WorkLogQuerySet(models.QuerySet["WorkLog"]):
    def by_people(self, project: Project | models.OuterRef) -> WorkLogQuerySet:
        """Return the work of people in the project, as `AnnotationQuerySet.by_people`."""
        return self.filter(batch__project=project)


class WorkLog(models.Model):
    """One annotator's answers, skips and seconds in one batch within ten minutes, for the pages about work done.

    Only this annotator's own requests change the row, so no request waits for another person's. `labels/counting.py`
    keeps the counters. They have no check constraint: a wrong counter must not make the database refuse an answer.
    """

    batch = models.ForeignKey("labeling.Batch", on_delete=models.CASCADE, related_name="work")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="work")
    start = models.DateTimeField(help_text="The beginning of the ten minutes.")
    answers = models.IntegerField(default=0)
    skips = models.IntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="That the answers and skips took.")
    last_at = models.DateTimeField(help_text="When the last one came, taken back or not.")

    objects = WorkLogQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "user", "start"], name="work_log_unique")]

    def __str__(self) -> str:
        return f"{self.user}'s work on {self.batch}"


class CorrectionQuerySet(models.QuerySet["Correction"]):
    def standing(self) -> CorrectionQuerySet:
        """Return the corrections that were not withdrawn: at most one per item."""
        return self.filter(withdrawn_at__isnull=True)


class Correction(models.Model):
    """A manager's correction of an item's label. A standing correction takes the place of the annotators' answers,
    which stay unchanged.
    """

    item = models.ForeignKey("labeling.Item", on_delete=models.CASCADE, related_name="corrections")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="corrections")
    value = models.JSONField()
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="corrections_withdrawn"
    )

    objects = CorrectionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=models.Q(withdrawn_at__isnull=True), name="one_standing_correction"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}'s correction of {self.item}"


MAX_COMMENT = 1000


class ReviewPlaceQuerySet(models.QuerySet["ReviewPlace"]):
    def held(self, now: datetime.datetime) -> ReviewPlaceQuerySet:
        """Return places of items that a reviewer has on the screen."""
        return self.filter(held_until__gt=now)

    def put_off(self) -> ReviewPlaceQuerySet:
        """Return places of items that a reviewer put off, the earliest first."""
        return self.filter(put_off_at__isnull=False).order_by("put_off_at", "pk")


class ReviewPlace(models.Model):
    """The reviewer who holds an item, so that no other reviews it, and the time at which it was last put off."""

    item = models.OneToOneField("labeling.Item", on_delete=models.CASCADE, related_name="review_place")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    held_until = models.DateTimeField()
    put_off_at = models.DateTimeField(null=True)

    objects = ReviewPlaceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user} at {self.item}"


class CommentQuerySet(models.QuerySet["Comment"]):
    def to(self, user: models.Model) -> CommentQuerySet:
        """Return reviewers' comments to this user."""
        return self.filter(to=user)

    def unread(self) -> CommentQuerySet:
        return self.filter(to__isnull=False, read_at__isnull=True)


class Comment(models.Model):
    """A comment on an item. An annotator's comment belongs to an answer or skip. A reviewer's comment is for one
    annotator (`to`), or for reviewers and managers alone.
    """

    item = models.ForeignKey("labeling.Item", on_delete=models.CASCADE, related_name="comments")
    annotation = models.OneToOneField(
        "labeling.Annotation", null=True, on_delete=models.CASCADE, related_name="comment"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments")
    to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="comments_received"
    )
    text = models.CharField(max_length=MAX_COMMENT)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, help_text="When the person that it is written to had it on the screen.")

    objects = CommentQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["to"], condition=models.Q(read_at__isnull=True, to__isnull=False), name="comment_unread"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} on {self.item}"
