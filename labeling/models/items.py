"""The pool: items, the imports that brought them, and the rows that were set aside."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Cast

from labeling.models.answers import Annotation, Correction
from labeling.models.batches import BY_CHANCE, Task
from labeling.models.people import User


class ItemQuerySet(models.QuerySet["Item"]):
    def unencoded(self) -> ItemQuerySet:
        """Items that the encoder has yet to see; vectors block by block."""
        return self.filter(row__isnull=True, encode_error="").order_by("media", "media_offset", "pk")

    def unlabeled(self) -> ItemQuerySet:
        """Encoded items that no batch has taken: what the next batch is picked from."""
        return self.filter(row__isnull=False, task__isnull=True)

    def labeled(self) -> ItemQuerySet:
        return self.filter(label__isnull=False)

    def trainable(self) -> ItemQuerySet:
        """Labeled items that a model may learn from: control items are kept out, or they would measure nothing."""
        return self.labeled().filter(row__isnull=False, is_control=False)

    def drawn(self) -> ItemQuerySet:
        """Items of batches that chance alone picked: they stand for the pool."""
        return self.filter(task__batch__strategy__in=BY_CHANCE)

    def of_batches_before(self, number: int) -> ItemQuerySet:
        """Items of the project's first batches."""
        return self.filter(task__batch__number__lt=number)

    def control(self) -> ItemQuerySet:
        return self.filter(is_control=True)

    def measuring(self) -> ItemQuerySet:
        """Labeled control items whose annotators were shown no prediction: the items that models are measured on."""
        prompted = Task.objects.filter(is_control=True, prompted=True)
        return self.control().labeled().exclude(pk__in=prompted.values("item"))

    def unreadable(self) -> ItemQuerySet:
        """Items that the encoder could not make anything of."""
        return self.filter(row__isnull=True).exclude(encode_error="")

    def under_way(self) -> ItemQuerySet:
        """Items of the open batch that still lack answers."""
        return self.filter(task__batch__state="open", task__outstanding__gt=0)

    def skipped(self) -> ItemQuerySet:
        """Items that have all their answers and no label, because everybody skipped them."""
        return self.skipped_by_somebody().filter(label__isnull=True, task__outstanding=0)

    def skipped_by_somebody(self) -> ItemQuerySet:
        return self.filter(pk__in=Annotation.objects.skips().values("task__item"))

    def flagged(self) -> ItemQuerySet:
        """Items that an annotator wants somebody to look at."""
        return self.filter(pk__in=Annotation.objects.standing().filter(flagged=True).values("task__item"))

    def in_disagreement(self) -> ItemQuerySet:
        """Labeled items whose answers are not all the same as the label."""
        return self.filter(agreement__lt=1)

    def answered_by(self, user: User) -> ItemQuerySet:
        """Items that the user has answered or skipped."""
        return self.filter(pk__in=Annotation.objects.standing().filter(user=user).values("task__item"))

    def labeled_as(self, value: int | bool) -> ItemQuerySet:
        """Items with this label: a class's index, or for `verify` yes or no."""
        return self.labeled().filter(label=value)

    def labeled_with(self, index: int) -> ItemQuerySet:
        """For `multi`: items with this class among those of their label."""
        # Both databases write a list as "[1, 12]". One way for both; SQLite knows no other.
        text = Cast("label", models.TextField())
        return self.labeled().annotate(label_text=text).filter(label_text__regex=rf"[\[ ]{int(index)}[,\]]")

    def corrected(self) -> ItemQuerySet:
        """Items whose label is a manager's word."""
        return self.filter(pk__in=Correction.objects.standing().values("item"))

    def uncorrected(self) -> ItemQuerySet:
        """Items whose label, if they have one, is what the annotators' answers amount to."""
        return self.exclude(pk__in=Correction.objects.standing().values("item"))


class Item(models.Model):
    """One example. `truth` and `label` hold class indices (`single`), lists of them (`multi`) or a bool (`verify`)."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="items")
    external_id = models.CharField(max_length=200)
    source = models.CharField(
        max_length=300,
        blank=True,
        help_text="Where it stood in what was imported. Not for annotators: paths may tell.",
    )
    data = models.JSONField(default=dict)
    media = models.CharField(max_length=200, blank=True, help_text="Storage name of the image or vector block.")
    media_offset = models.PositiveIntegerField(default=0, help_text="Position within a vector block.")
    proposed = models.PositiveIntegerField(null=True, help_text="Index of the class to verify.")
    truth = models.JSONField(null=True, help_text="The known answer, for simulation. Never shown.")

    row = models.PositiveBigIntegerField(null=True, help_text="Index in the project's matrices, once encoded.")
    encode_error = models.CharField(max_length=300, blank=True)

    # The item's place in the random permutation, fixed when it enters the pool. Items in front of the control share
    # are reserved: a batch's control slice is drawn from them in this order, and no other selection may touch them.
    control_key = models.FloatField()
    is_control = models.BooleanField()

    label = models.JSONField(null=True)
    agreement = models.FloatField(null=True, help_text="Share of its annotations that agree with the label.")
    labeled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "external_id"], name="item_external_id_unique"),
            models.UniqueConstraint(fields=["project", "row"], name="item_row_unique"),
        ]
        indexes = [
            models.Index(
                fields=["project", "media", "media_offset", "id"],
                condition=models.Q(row__isnull=True),
                name="item_unencoded_media",
            ),
            models.Index(fields=["project", "control_key"], condition=models.Q(is_control=True), name="item_control"),
            models.Index(
                fields=["project", "labeled_at"], condition=models.Q(label__isnull=False), name="item_labeled"
            ),
            # What every figure of accuracy stands on: few of many, and asked for with every page that shows one.
            models.Index(
                fields=["project", "labeled_at"],
                condition=models.Q(is_control=True, label__isnull=False),
                name="item_control_labeled",
            ),
            models.Index(
                fields=["project", "agreement", "id"],
                condition=models.Q(agreement__isnull=False),
                name="item_agreement",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


class ItemImportQuerySet(models.QuerySet["ItemImport"]):
    def reading(self) -> ItemImportQuerySet:
        """Imports whose file is being read, or will be."""
        return self.filter(state__in=[ItemImport.State.WAITING, ItemImport.State.RUNNING])

    def failed(self) -> ItemImportQuerySet:
        """Imports that can be retried."""
        return self.filter(state=ItemImport.State.FAILED)


class ItemImport(models.Model):
    """One file of items on its way in. `position` counts the records dealt with: a killed import goes on there."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        REFUSED = "refused", "refused: nothing was taken in"
        FAILED = "failed"

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="imports")
    name = models.CharField(max_length=200, help_text="The file's name, as people know it.")
    path = models.CharField(max_length=1000, help_text="Where it lies.")
    truth_path = models.CharField(max_length=1000, blank=True)
    # The block of item numbers reserved for it: see importing/numbering.py.
    first_number = models.PositiveBigIntegerField(null=True, unique=True)
    numbers = models.PositiveBigIntegerField(default=0, help_text="How many numbers are reserved for it.")
    numbered_from = models.PositiveBigIntegerField(default=0, help_text="The position that the first of them is for.")
    owns_file = models.BooleanField(default=False, help_text="An upload, deleted when it has been taken in.")
    strict = models.BooleanField(default=False, help_text="One bad row refuses the whole file.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    position = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True)
    accepted = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = ItemImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"


class RejectedRow(models.Model):
    """A row that was set aside, with what is needed to mend it."""

    item_import = models.ForeignKey(ItemImport, on_delete=models.CASCADE, related_name="rejected_rows")
    where = models.CharField(max_length=300)
    reason = models.CharField(max_length=500)
    excerpt = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"
