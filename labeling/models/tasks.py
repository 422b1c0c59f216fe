"""The tasks of a batch: each has one item, a rank and the reason of its selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property

from labeling.models.annotations import Annotation, Assignment, Correction
from labeling.models.batches import Batch

if TYPE_CHECKING:
    from labeling.models.items import Item


class TaskQuerySet(models.QuerySet["Task"]):
    def unanswered(self) -> TaskQuerySet:
        return self.filter(outstanding__gt=0)

    def skipped(self) -> TaskQuerySet:
        """Return tasks that have all their answers, all of them skips, and whose item no manager has corrected since.

        A gold item has a label and may have an older correction: neither counts, or skips would identify gold tasks.
        """
        of_task = Annotation.objects.filter(task=models.OuterRef("pk"))
        later = Annotation.objects.filter(
            task=models.OuterRef(models.OuterRef("pk")), created_at__gt=models.OuterRef("created_at")
        )
        shown = Coalesce(models.OuterRef("item"), models.OuterRef("repeats"))
        corrected_since = Correction.objects.standing().filter(~models.Exists(later), item=shown)
        return self.filter(
            models.Exists(of_task.skips()),
            ~models.Exists(of_task.answers()),
            ~models.Exists(corrected_since),
            outstanding=0,
        )

    def claimable(self) -> TaskQuerySet:
        """Return free tasks, in the order in which annotators get them."""
        return self.filter(free__gt=0).order_by("rank")

    def lock(self) -> list[int]:
        """Lock these tasks until the transaction ends, in the order of their ids, as all writers do. Return the ids."""
        locked = self.select_for_update(no_key=True, of=("self",)).order_by("pk")
        return list(locked.values_list("pk", flat=True))

    def picked(self) -> TaskQuerySet:
        """Return tasks of items that the selection picked, without further tasks."""
        return self.filter(item__isnull=False)

    def further(self) -> TaskQuerySet:
        """Return tasks that ask an item again, gold tasks included."""
        return self.filter(repeats__isnull=False)

    def of_items(self, items: Any) -> TaskQuerySet:
        """Return the tasks whose answers can label these items: the picked tasks and the further ones, without gold
        tasks.
        """
        return self.filter(models.Q(item__in=items) | models.Q(repeats__in=items, is_gold=False))

    def deciding(self) -> TaskQuerySet:
        """Return tasks whose answers decide their item's label: the newest of each item, without gold tasks.

        An item that a manager or reviewer has sent back has no deciding task until it is asked again.
        """
        shown = Coalesce(models.OuterRef("item"), models.OuterRef("repeats"))
        newer = Task.objects.filter(repeats=shown, is_gold=False, pk__gt=models.OuterRef("pk"))
        waiting = models.Q(item__sent_back=True) | models.Q(repeats__sent_back=True)
        return self.filter(~models.Exists(newer), ~waiting, is_gold=False)

    def lacking_first(self) -> TaskQuerySet:
        """Return tasks that lack one of their first `overlap` answers."""
        return self.filter(outstanding__gt=models.F("extra"))

    def unseen(self) -> TaskQuerySet:
        """Return tasks that no annotator has ever claimed, also of a batch in selection."""
        return self.filter(~models.Exists(Assignment.objects.filter(task=models.OuterRef("pk"))))

    def untouched(self) -> TaskQuerySet:
        """Return tasks that no annotator has ever claimed and that an annotator can claim."""
        return self.unseen().filter(free=models.F("batch__overlap"))


class PromptedBy(models.TextChoices):
    """The source of the answer that a prompted task shows to annotators."""

    MODEL = "model"
    SUGGESTION = "suggestion"
    NOTHING = "nothing"  # the item has neither a suggestion nor a prediction that may be shown


class Task(models.Model):
    """One item in one batch, with its rank and the reason of its selection.

    While the batch is open, `free` + the number of assignments that have not ended = overlap + `extra`, and
    `outstanding` + the number of answers and skips = overlap + `extra`. Only conditional updates change the counters,
    so a task is never assigned too often. When a batch ends early, `free` and `outstanding` become 0.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="tasks")
    # The constraint allows one picked task per item, also if two selections run at once.
    item = models.OneToOneField("labeling.Item", null=True, on_delete=models.PROTECT, related_name="task")
    # Further tasks of the same item have `repeats` instead, which is not unique.
    repeats = models.ForeignKey(
        "labeling.Item",
        null=True,
        on_delete=models.PROTECT,
        related_name="further_tasks",
        help_text="In place of `item`: an item that is asked again.",
    )
    is_gold = models.BooleanField(
        default=False, db_default=False, help_text="Its answer is known: it checks annotators and gives no label."
    )
    rank = models.PositiveIntegerField()
    selection = models.PositiveSmallIntegerField(default=1, help_text="Which selection of its batch picked it.")
    is_control = models.BooleanField(default=False)
    asked = models.BooleanField(
        default=False,
        help_text="Taken before the strategy picked: a manager had asked for it, it checks a near-copy, an audit asks "
        "about it, or it covers the pool for a first batch.",
    )
    replaces = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="replaced_by",
        help_text="The task that it replaces, because all annotators skipped that task.",
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
            # For the managers' pages, which sort and filter a batch of a million tasks.
            models.Index(fields=["batch", "margin", "rank"], name="task_by_margin"),
            models.Index(fields=["batch", "cluster", "rank"], name="task_by_cluster"),
            models.Index(
                fields=["batch", "draw_pass", "rank"],
                condition=models.Q(draw_pass__isnull=False),
                name="task_by_pass",
            ),
            models.Index(fields=["batch", "rank"], condition=models.Q(is_control=True), name="task_control"),
            models.Index(fields=["batch"], condition=models.Q(repeats__isnull=False), name="task_further"),
            # For `ItemQuerySet.measuring`, which leaves these out of every accuracy.
            models.Index(
                fields=["item"], condition=models.Q(is_control=True, prompted=True), name="task_control_prompted"
            ),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"

    @property
    def item_key(self) -> int:
        """The id of the item that the task shows to annotators."""
        key = self.item_id if self.item_id is not None else self.repeats_id
        assert key is not None  # the constraint says so
        return key

    @cached_property
    def shown(self) -> Item:
        """The item that the task shows to annotators."""
        item = self.item or self.repeats
        assert item is not None  # the constraint says so
        return item

    @property
    def has_all_answers(self) -> bool:
        """Whether the task takes no more answers: it has all of them, or an early end settled it with fewer."""
        return self.outstanding == 0
