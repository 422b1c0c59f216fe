"""Near-copies: items that are shown beside a similar item, and may take its label without a task of their own."""

from __future__ import annotations

from django.db import models

from labeling.models.annotations import Annotation
from labeling.models.batches import Batch
from labeling.models.tasks import Task

COPY_ERROR = 0.1
"""The highest share of near-copies with another label than people would give: see `learn_radius`."""
COPY_CHECKS = 0.1
"""The number of near-copies, for each task of a batch, that people are asked about to measure that share."""
COPY_WEIGHT = 0.5
"""The weight of a near-copy in training, where an answered item counts 1."""


class CopyQuerySet(models.QuerySet["Copy"]):
    def confirmed(self) -> CopyQuerySet:
        """Return copies that at least one standing answer calls the same as their source, and none calls different."""
        words = CopyAnswer.objects.filter(copy=models.OuterRef("pk"), annotation__undone_at__isnull=True)
        return self.filter(models.Exists(words.filter(same=True)), ~models.Exists(words.filter(same=False)))

    def showable(self) -> CopyQuerySet:
        """Return copies that tasks of their source may show, as in `labeling.queue.copy_answers.shown_beside`."""
        return self._unasked()

    def trusted(self) -> CopyQuerySet:
        """Return copies within their batch's `copy_radius`, the height up to which the checks found few enough
        errors.
        """
        return self.filter(height__lte=models.F("batch__copy_radius"))

    def propagated(self) -> CopyQuerySet:
        """Return copies that have their source's label. Copies of control items are left out: a model trained on them
        would score too well on the control items.
        """
        return self._unasked().trusted().confirmed().filter(_SOURCE_LABELED, is_check=False, of__reserved=False)

    def withheld(self) -> CopyQuerySet:
        """Return copies that no batch may pick: trusted and confirmed copies, and copies that an open or ready batch
        shows.

        The latter include copies that are not trusted. A picked copy is not shown any more, so their number on the
        screen would fall for some kinds of tasks more than for others, and identify control tasks.
        """
        near = self._unasked().trusted().filter(is_check=False, of__reserved=False, of__excluded_at__isnull=True)
        return self.on_screens() | near.confirmed()

    def on_screens(self) -> CopyQuerySet:
        """Return copies that an open or ready batch shows."""
        asks = models.Q(item=models.OuterRef("of")) | models.Q(repeats=models.OuterRef("of"))
        return self._unasked().filter(
            models.Exists(Task.objects.filter(asks, batch__in=Batch.objects.on_offer().order_by()))
        )

    def due(self) -> CopyQuerySet:
        """Return copies that annotators must still be asked about, as a check."""
        return self._unasked().confirmed().filter(_SOURCE_LABELED, is_check=True)

    def checked(self) -> CopyQuerySet:
        """Return copies whose check is done: annotators have labeled both the copy and its source."""
        return self.confirmed().filter(
            _SOURCE_LABELED, is_check=True, item__label__isnull=False, item__excluded_at__isnull=True
        )

    def _unasked(self) -> CopyQuerySet:
        return self.filter(item__task__isnull=True, item__label__isnull=True, item__excluded_at__isnull=True)


_SOURCE_LABELED = models.Q(of__label__isnull=False, of__excluded_at__isnull=True)


class Copy(models.Model):
    """An item that is shown beside another item, its source, on the source's tasks.

    A copy stores no label: queries read the source's present label (`CopyQuerySet.propagated`). An item is the copy of
    at most one source, for good. See docs/decisions/09-near-copies.md.
    """

    of = models.ForeignKey("labeling.Item", on_delete=models.CASCADE, related_name="copies", help_text="Its source.")
    item = models.OneToOneField("labeling.Item", on_delete=models.CASCADE, related_name="as_copy")
    batch = models.ForeignKey(
        "labeling.Batch", on_delete=models.CASCADE, related_name="copies", help_text="Whose selection chose it."
    )
    height = models.FloatField(help_text="At which the dendrogram merges the two: how far apart they are.")
    is_check = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Drawn by chance: people are asked about it later. Never shown to annotators.",
    )

    objects = CopyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "copies"
        constraints = [
            models.CheckConstraint(condition=~models.Q(of=models.F("item")), name="copy_of_another"),
            models.CheckConstraint(condition=models.Q(height__gte=0), name="copy_height_not_negative"),
        ]
        indexes = [models.Index(fields=["batch"], condition=models.Q(is_check=True), name="copy_checks")]

    def __str__(self) -> str:
        return f"{self.item} as a copy of {self.of}"


class CopyAnswer(models.Model):
    """An annotator's answer to a copy on the screen: the same as its source, or different."""

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="copy_answers")
    copy = models.ForeignKey(Copy, on_delete=models.CASCADE, related_name="answers")
    same = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["copy", "annotation"], name="one_word_on_a_copy")]

    def __str__(self) -> str:
        return f"{self.copy}: {'the same' if self.same else 'another'}"
