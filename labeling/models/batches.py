"""Batches, their selections, the parts assigned to members, and their label counts."""

from __future__ import annotations

import datetime
import math

from django.conf import settings
from django.db import models
from django.db.models import Case, When
from django.utils.functional import cached_property

from labeling.models.accounts import MAX_GROUP
from selector.strategies import STRATEGIES

SEED = "seed"
"""The strategy of a batch that no model picks: a uniform random draw, beside the tasks that are `asked`."""

BY_CHANCE = (SEED, *(strategy.name for strategy in STRATEGIES.values() if strategy.fair))
"""The strategies that draw uniformly at random, without a model. The tasks that are `asked` are no part of the draw."""

IMPORTED = "imported"
"""The strategy of a batch of items imported with labels, which no selection picked."""

PROMPTED_SHARE = 0.5
"""The share of tasks that show a prediction or suggestion, if the project shows them at all."""


def answers_needed(size: int, overlap: int, complete_share: float | None) -> int:
    """Return the number of answers with which a deadline may end a batch of this size: at least 1; all if the share is
    None.

    If tasks take several answers, the share counts answers, not finished tasks: an absent annotator can leave every
    task unfinished.
    """
    share = 1.0 if complete_share is None else complete_share
    # Round first, so that a floating-point error does not raise the number by one.
    return max(1, math.ceil(round(share * size * overlap, 6)))


BEING_PICKED = models.Q(state__in=["selecting", "ready"]) | models.Q(state="failed", failed_in="selecting")
SHOWN_FIRST = ("failed", "open", "training", "selecting", "ready")


class BatchQuerySet(models.QuerySet["Batch"]):
    def active(self) -> BatchQuerySet:
        """Return batches that are not done, without unfinished imports. A project has several while it picks ahead."""
        return self.exclude(state__in=[Batch.State.DONE, Batch.State.IMPORTING])

    def picking(self) -> BatchQuerySet:
        """Return batches in selection (failed or not) or ready: at most one per project."""
        return self.filter(BEING_PICKED)

    def on_offer(self) -> BatchQuerySet:
        """Return batches that annotators get tasks of, by number: open batches, then the ready one."""
        return self.filter(state__in=[Batch.State.OPEN, Batch.State.READY]).order_by("number")

    def shown_first(self) -> BatchQuerySet:
        """Return batches by what needs attention first: failed, open, training, selecting, ready, done; then the newest
        first.

        Batches whose import has not ended are left out.
        """
        rank = Case(*(When(state=state, then=n) for n, state in enumerate(SHOWN_FIRST)), default=len(SHOWN_FIRST))
        others = self.exclude(state=Batch.State.IMPORTING)
        return others.annotate(place=rank).order_by("place", "-number")

    def current(self) -> Batch | None:
        """Return the batch that pages and the API report as the project's current batch."""
        return self.shown_first().first()

    def open(self) -> BatchQuerySet:
        return self.filter(state=Batch.State.OPEN)

    def picked(self) -> BatchQuerySet:
        """Return batches picked by a model or another rule, not by chance and not by an import."""
        return self.exclude(strategy__in=["", IMPORTED, *BY_CHANCE])

    def to_people(self) -> BatchQuerySet:
        """Return batches whose tasks people get, unlike those of items imported with labels."""
        return self.exclude(strategy=IMPORTED)

    def imported_items(self) -> int:
        """Return the number of items in batches of items that came with their labels."""
        return int(self.filter(strategy=IMPORTED).aggregate(n=models.Sum("size", default=0))["n"])

    def overdue(self, now: datetime.datetime) -> BatchQuerySet:
        """Open batches past their deadline, in projects that are neither archived nor deleted."""
        at_work = self.open().filter(project__archived_at=None, project__deleted_at=None)
        return at_work.filter(deadline_at__lte=now).order_by("pk")


class SelectionFacts(models.Model):
    """The inputs and the outcome of a selection, enough to replay it."""

    strategy = models.CharField(max_length=20, blank=True, help_text="'seed': picked without a model.")
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
        "labeling.ModelVersion", null=True, on_delete=models.PROTECT, related_name="%(class)s_picks"
    )
    # The reason for this version: it was the newest, the newest was held back, or a manager chose it.
    newest_version = models.PositiveIntegerField(null=True, help_text="Number of the newest version at that time.")
    choice = models.ForeignKey(
        "labeling.VersionChoice",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The manager's choice of a version at that time.",
    )
    copy_reach = models.FloatField(null=True, help_text="The greatest distance at which near-copies were shown.")
    select_seconds = models.FloatField(null=True)
    kept = models.JSONField(default=list, help_text="Ranks [start, stop) that kept their earlier pick.")

    class Meta:
        abstract = True


class Batch(SelectionFacts):
    """A batch of `size` items to label, with the facts of the last selection that picked them."""

    class State(models.TextChoices):
        SELECTING = "selecting"
        READY = "ready"  # picked ahead: opens when the batch before it has no free task
        OPEN = "open"
        TRAINING = "training"
        DONE = "done"
        FAILED = "failed"
        IMPORTING = "importing"  # its items come with labels; the import or their encoding has not ended

    admin_columns = (
        "project",
        "number",
        "state",
        "size",
        "remaining",
        "strategy",
        "class_guard",
        "opened_at",
        "done_at",
    )

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="batches")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.SELECTING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    failed_in = models.CharField(max_length=10, blank=True, help_text="The state that a retry goes back to.")

    selection = models.PositiveSmallIntegerField(default=1, help_text="How often it was picked; the last one holds.")

    overlap = models.PositiveSmallIntegerField(default=1)
    overlap_max = models.PositiveSmallIntegerField(
        null=True, help_text="The maximum number of answers to a task; null: overlap."
    )
    answers_expected = models.PositiveIntegerField(
        null=True, help_text="The expected number of answers. Annotators see how many of them are there."
    )
    size = models.PositiveIntegerField(default=0)
    further = models.PositiveIntegerField(default=0, help_text="Of its tasks, those for items that are asked again.")
    remaining = models.IntegerField(
        default=0, help_text="Tasks that lack answers. The answer that makes it 0 closes the batch."
    )
    labeled = models.IntegerField(default=0, help_text="Items of it that have a label, by a correction or otherwise.")
    dropped = models.PositiveIntegerField(default=0, help_text="Tasks without an answer when it was ended early.")
    in_parts = models.BooleanField(default=False, help_text="Whether some of its tasks are reserved: see `BatchPart`.")
    copy_radius = models.FloatField(
        null=True, help_text="Near-copies up to this height get their source's label; null: none yet."
    )
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
                fields=["project"], condition=BEING_PICKED, name="one_batch_being_picked_per_project"
            ),
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0, remaining__lte=models.F("size")),
                name="batch_remaining_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} batch {self.number}"

    @property
    def takes_one_answer(self) -> bool:
        """Whether each task takes exactly one answer."""
        return self.overlap == 1 and self.overlap_max is None

    def selection_numbered(self, number: int) -> SelectionFacts:
        """Return the facts of the selection with this number. Takes one query for an earlier selection, none for the
        last.
        """
        return self if number == self.selection else self._earlier[number]

    @cached_property
    def _earlier(self) -> dict[int, Selection]:
        return {each.number: each for each in self.earlier_selections.select_related("selected_by")}

    @property
    def kept_tasks(self) -> int:
        """The number of tasks that the last selection kept because annotators had claimed them."""
        return sum(stop - start for start, stop in self.kept)


class BatchPart(models.Model):
    """Tasks of a batch, with ranks from `start` to before `stop`, that are assigned to one member or to a group."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="parts")
    start = models.PositiveIntegerField()
    stop = models.PositiveIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    group = models.CharField(max_length=MAX_GROUP, blank=True)

    class Meta:
        ordering = ["batch", "start"]
        constraints = [
            models.CheckConstraint(condition=models.Q(start__lt=models.F("stop")), name="part_has_tasks"),
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, group="") | (models.Q(user__isnull=True) & ~models.Q(group="")),
                name="part_for_person_or_group",
            ),
        ]

    def __str__(self) -> str:
        return f"tasks {self.start} to {self.stop} of {self.batch}"

    @property
    def name(self) -> str:
        """The name of the member or of the group."""
        return self.user.username if self.user else self.group


class LabelCounts(models.Model):
    """The number of labels of each class in a done batch.

    The counts are current while `labeled`, `corrected` (the newest correction) and `withdrawn` (the number of withdrawn
    corrections) equal the batch's present figures.
    """

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, related_name="label_counts")
    labeled = models.IntegerField()
    corrected = models.PositiveBigIntegerField(default=0, help_text="Key of the newest correction; 0 for none.")
    withdrawn = models.PositiveIntegerField(default=0)
    classes = models.JSONField(help_text="Items by class index; -1 for those that no class applies to.")

    class Meta:
        verbose_name_plural = "label counts"

    def __str__(self) -> str:
        return f"labels of {self.batch}"


class Selection(SelectionFacts):
    """An earlier selection of a batch that was picked again. The tasks that annotators held at that time are kept."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="earlier_selections")
    number = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["batch", "number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="selection_number_unique")]

    def __str__(self) -> str:
        return f"selection {self.number} of {self.batch}"
