"""The unit of labeling, training and lineage, and the tasks in it."""

from __future__ import annotations

import datetime

from django.db import models

BY_CHANCE = ("seed", "uniform")
"""Strategies by which no model has a say."""

PROMPTED_SHARE = 0.5
"""Where annotators are shown predictions, they are shown them on this share of the tasks."""


class BatchQuerySet(models.QuerySet["Batch"]):
    def active(self) -> BatchQuerySet:
        """Batches that are not done: at most one a project."""
        return self.exclude(state=Batch.State.DONE)

    def open(self) -> BatchQuerySet:
        return self.filter(state=Batch.State.OPEN)

    def picked(self) -> BatchQuerySet:
        """Batches for which a model had a say, or another rule than chance."""
        return self.exclude(strategy__in=["", *BY_CHANCE])

    def overdue(self, now: datetime.datetime) -> BatchQuerySet:
        """Open batches whose deadline is over."""
        return self.open().filter(deadline_at__lte=now).order_by("pk")


class Batch(models.Model):
    """`size` items of one selection, with all that is needed to replay that selection."""

    class State(models.TextChoices):
        SELECTING = "selecting"
        OPEN = "open"
        TRAINING = "training"
        DONE = "done"
        FAILED = "failed"

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="batches")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.SELECTING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    failed_in = models.CharField(max_length=10, blank=True, help_text="The state that a retry goes back to.")

    # How it was selected.
    strategy = models.CharField(max_length=20, blank=True, help_text="'seed' for a uniform first batch.")
    seed = models.PositiveBigIntegerField(null=True)
    batch_size = models.PositiveIntegerField(null=True, help_text="k_t: items asked for.")
    candidate_factor = models.FloatField(null=True, help_text="k_m / k_t: as set, or as found in its place.")
    candidates = models.PositiveIntegerField(null=True, help_text="k_m: the most doubtful items, drawn from.")
    mean_cluster_size = models.FloatField(null=True)
    cut_height = models.FloatField(null=True)
    clusters = models.PositiveIntegerField(null=True, help_text="Clusters at the cut.")
    class_guard = models.FloatField(
        null=True, help_text="Even shares of the batch a class may have; null for no limit."
    )
    control_share = models.FloatField(null=True)
    control_tasks = models.PositiveIntegerField(default=0)
    pool_size = models.PositiveBigIntegerField(null=True, help_text="Unlabeled items it was picked from.")
    pool_rows = models.PositiveBigIntegerField(null=True, help_text="Rows of the matrices at that time.")
    features_hash = models.CharField(max_length=64, blank=True)
    margins_hash = models.CharField(max_length=64, blank=True)
    dendrogram_hash = models.CharField(max_length=64, blank=True)
    selected_by = models.ForeignKey(
        "labeling.ModelVersion", null=True, on_delete=models.PROTECT, related_name="batches_selected"
    )
    # Why by that one: it was the newest, or the newest was held back, or a manager had chosen it.
    newest_version = models.PositiveIntegerField(null=True, help_text="Number of the newest version at that time.")
    choice = models.ForeignKey(
        "labeling.VersionChoice", null=True, on_delete=models.PROTECT, help_text="The word of a manager that held then."
    )
    select_seconds = models.FloatField(null=True)

    # How it goes.
    overlap = models.PositiveSmallIntegerField(default=1)
    size = models.PositiveIntegerField(default=0)
    remaining = models.IntegerField(default=0, help_text="Tasks that lack answers. Whoever makes it 0 closes it.")
    dropped = models.PositiveIntegerField(default=0, help_text="Tasks without an answer when it was ended early.")
    complete_share = models.FloatField(null=True, help_text="The part that must be answered at the deadline.")
    deadline_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["project", "number"]
        verbose_name_plural = "batches"
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="batch_number_unique"),
            models.UniqueConstraint(
                fields=["project"], condition=~models.Q(state="done"), name="one_active_batch_per_project"
            ),
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0, remaining__lte=models.F("size")),
                name="batch_remaining_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} batch {self.number}"


class TaskQuerySet(models.QuerySet["Task"]):
    def unanswered(self) -> TaskQuerySet:
        return self.filter(outstanding__gt=0)

    def claimable(self) -> TaskQuerySet:
        """Tasks with a free place, in the order in which they are to be answered."""
        return self.filter(free__gt=0).order_by("rank")


class Task(models.Model):
    """One item in one batch, with its rank and why it was picked.

    `free` + assignments that have not ended = overlap, and `outstanding` + answers = overlap, as long as the batch is
    open. Both counters change only by conditional updates, so that two people can never take the same place. When a
    batch ends early, both become 0.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="tasks")
    # An item is picked once in a project's life: the constraint holds whatever two selections do at once.
    item = models.OneToOneField("labeling.Item", on_delete=models.PROTECT, related_name="task")
    rank = models.PositiveIntegerField()
    is_control = models.BooleanField(default=False)
    margin = models.FloatField(null=True)
    cluster = models.PositiveBigIntegerField(null=True)
    cluster_size = models.PositiveIntegerField(null=True, help_text="Size of the cluster among the candidates.")
    draw_pass = models.PositiveIntegerField(null=True, help_text="Round-robin pass in which it was drawn.")
    predicted = models.PositiveIntegerField(null=True, help_text="Best class, or for verify 1 for yes and 0 for no.")
    confidence = models.FloatField(null=True, help_text="The probability of what was predicted.")
    prompted = models.BooleanField(default=False, help_text="Its annotators are shown what was predicted.")
    free = models.IntegerField()
    outstanding = models.IntegerField()

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ["batch", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "rank"], name="task_rank_unique"),
            models.CheckConstraint(condition=models.Q(free__gte=0), name="task_free_not_negative"),
            models.CheckConstraint(
                condition=models.Q(outstanding__gte=models.F("free")), name="task_outstanding_covers_free"
            ),
        ]
        indexes = [
            models.Index(fields=["batch", "rank"], condition=models.Q(free__gt=0), name="task_claimable"),
            # What managers sort and filter a batch of a million tasks by.
            models.Index(fields=["batch", "margin", "rank"], name="task_by_margin"),
            models.Index(fields=["batch", "cluster", "rank"], name="task_by_cluster"),
            models.Index(
                fields=["batch", "draw_pass", "rank"],
                condition=models.Q(draw_pass__isnull=False),
                name="task_by_pass",
            ),
            models.Index(fields=["batch", "rank"], condition=models.Q(is_control=True), name="task_control"),
            # Excluded from every figure of accuracy.
            models.Index(
                fields=["item"], condition=models.Q(is_control=True, prompted=True), name="task_control_prompted"
            ),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"

    @property
    def has_all_answers(self) -> bool:
        """Whether no more answers will come, because it has them or an early end settled it with those it had."""
        return self.outstanding == 0
