"""The tasks of a batch: one item each, with its rank and why it was picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property

from labeling.models.answers import Annotation, Assignment
from labeling.models.batches import Batch

if TYPE_CHECKING:
    from labeling.models.items import Item


class TaskQuerySet(models.QuerySet["Task"]):
    def unanswered(self) -> TaskQuerySet:
        return self.filter(outstanding__gt=0)

    def skipped(self) -> TaskQuerySet:
        """Tasks that nobody could answer: they have all their answers, and all of them are skips. Without those whose
        item a manager has labeled since.
        """
        of_task = Annotation.objects.filter(task=models.OuterRef("pk"))
        return self.filter(
            models.Exists(of_task.skips()), ~models.Exists(of_task.answers()), outstanding=0, item__label__isnull=True
        )

    def claimable(self) -> TaskQuerySet:
        """Tasks with a free place, in the order in which they are to be answered."""
        return self.filter(free__gt=0).order_by("rank")

    def picked(self) -> TaskQuerySet:
        """Tasks of items that the selection picked, without those that are asked again."""
        return self.filter(item__isnull=False)

    def further(self) -> TaskQuerySet:
        """Tasks for items that are asked again, or whose answer is known."""
        return self.filter(repeats__isnull=False)

    def of_items(self, items: Any) -> TaskQuerySet:
        """The tasks by which these items are labeled: those that picked them, and later ones that ask again."""
        return self.filter(models.Q(item__in=items) | models.Q(repeats__in=items, is_gold=False))

    def deciding(self) -> TaskQuerySet:
        """Of the tasks of an item the one whose answers make its label: the newest, and none as long as a person wants
        it to be asked again.
        """
        shown = Coalesce(models.OuterRef("item"), models.OuterRef("repeats"))
        newer = Task.objects.filter(repeats=shown, is_gold=False, pk__gt=models.OuterRef("pk"))
        waiting = models.Q(item__sent_back=True) | models.Q(repeats__sent_back=True)
        return self.filter(~models.Exists(newer), ~waiting, is_gold=False)

    def lacking_first(self) -> TaskQuerySet:
        """Tasks that lack one of the answers that every task gets."""
        return self.filter(outstanding__gt=models.F("extra"))

    def unseen(self) -> TaskQuerySet:
        """Tasks that were never assigned, of a batch that is being picked, too."""
        return self.filter(~models.Exists(Assignment.objects.filter(task=models.OuterRef("pk"))))

    def untouched(self) -> TaskQuerySet:
        """Tasks of a picked batch that were never assigned."""
        return self.unseen().filter(free=models.F("batch__overlap"))


class PromptedBy(models.TextChoices):
    """Where the answer comes from that a prompted task shows."""

    MODEL = "model"
    SUGGESTION = "suggestion"
    NOTHING = "nothing"  # its item came without a suggestion, and there is no prediction to be shown


class Task(models.Model):
    """One item in one batch, with its rank and why it was picked.

    `free` + assignments that have not ended = overlap + `extra`, and `outstanding` + answers = overlap + `extra`, as
    long as the batch is open. The counters change only by conditional updates, so that two people can never take the
    same place. When a batch ends early, `free` and `outstanding` become 0.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="tasks")
    # An item is picked once in a project's life: the constraint holds whatever two selections do at once.
    item = models.OneToOneField("labeling.Item", null=True, on_delete=models.PROTECT, related_name="task")
    # A further task for an item has no part in that: it stands beside the one that picked the item.
    repeats = models.ForeignKey(
        "labeling.Item",
        null=True,
        on_delete=models.PROTECT,
        related_name="further_tasks",
        help_text="In place of `item`: an item that is asked again.",
    )
    is_gold = models.BooleanField(
        default=False, db_default=False, help_text="Its answer is known: it checks who answers, and labels nothing."
    )
    rank = models.PositiveIntegerField()
    selection = models.PositiveSmallIntegerField(default=1, help_text="Which selection of its batch picked it.")
    is_control = models.BooleanField(default=False)
    asked = models.BooleanField(
        default=False, help_text="Taken before all others: a manager had asked for it, or it checks a near-copy."
    )
    replaces = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="replaced_by",
        help_text="The task that everybody skipped, whose place it has taken.",
    )
    margin = models.FloatField(null=True)
    cluster = models.PositiveBigIntegerField(null=True)
    cluster_size = models.PositiveIntegerField(null=True, help_text="Size of the cluster among the candidates.")
    draw_pass = models.PositiveIntegerField(null=True, help_text="Round-robin pass in which it was drawn.")
    predicted = models.PositiveIntegerField(null=True, help_text="Best class, or for verify 1 for yes and 0 for no.")
    confidence = models.FloatField(null=True, help_text="The probability of what was predicted.")
    stand_in = models.FloatField(
        null=True,
        help_text="Of a task that was not picked for doubt: how sure the prediction counts when one more person may be "
        "asked, so that control and gold tasks are asked again as often as others. Negative: as another answer.",
    )
    likely = models.CharField(
        max_length=80,
        blank=True,
        default="",
        db_default="",
        help_text="The most probable classes by index, the most probable first; empty unless they may be shown.",
    )
    prompted = models.BooleanField(default=False, help_text="The coin lets its annotators be shown an answer.")
    prompted_by = models.CharField(
        max_length=10, choices=PromptedBy, blank=True, help_text="Of a prompted task; empty: the model."
    )
    copies_shown = models.PositiveSmallIntegerField(
        null=True,
        help_text="So many of its item's near-copies are shown, the nearest ones; empty: all of them.",
    )
    free = models.IntegerField()
    outstanding = models.IntegerField()
    extra = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Answers asked for beyond the overlap, because its label was in doubt."
    )

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ["batch", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "rank"], name="task_rank_unique"),
            models.CheckConstraint(
                condition=models.Q(item__isnull=False, repeats__isnull=True, is_gold=False)
                | models.Q(item__isnull=True, repeats__isnull=False),
                name="task_has_one_item",
            ),
            models.UniqueConstraint(
                fields=["replaces"], condition=models.Q(replaces__isnull=False), name="one_replacement_per_task"
            ),
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
            models.Index(fields=["batch"], condition=models.Q(repeats__isnull=False), name="task_further"),
            # Excluded from every figure of accuracy.
            models.Index(
                fields=["item"], condition=models.Q(is_control=True, prompted=True), name="task_control_prompted"
            ),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"

    @property
    def item_key(self) -> int:
        """The key of the item that annotators are shown."""
        key = self.item_id if self.item_id is not None else self.repeats_id
        assert key is not None  # the constraint says so
        return key

    @cached_property
    def shown(self) -> Item:
        """The item that annotators are shown."""
        item = self.item or self.repeats
        assert item is not None  # likewise
        return item

    @property
    def has_all_answers(self) -> bool:
        """Whether no more answers will come, because it has them or an early end settled it with those it had."""
        return self.outstanding == 0
