"""The items of the pool, the queries for them, and the progress of their search index."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.lookups import IsNull

from labeling.models.accounts import MembershipQuerySet, User
from labeling.models.annotations import Annotation, Correction
from labeling.models.batches import BY_CHANCE, IMPORTED
from labeling.models.certificates import CertifiedLabel
from labeling.models.near_copies import Copy
from labeling.models.removals import Removal
from labeling.models.tasks import Task

_DRAWN_ID = re.compile(r"[0-9a-f]{20}")  # see `labeling.intake.run.blind_ids_of`

ANY_SHARE = (RawSQL("SELECT CAST(0 AS double precision)", []), RawSQL("SELECT CAST(1 AS double precision)", []))
"""A range that holds every share. For a range whose ends it does not know beforehand, PostgreSQL expects few rows, and
takes a small index; otherwise it expects as many undecided items as there are items with no label, and reads them all.
"""


class ItemQuerySet(models.QuerySet["Item"]):
    def unencoded(self) -> ItemQuerySet:
        """Return items that the encoder has not processed, ordered so that the vectors of a block stand together."""
        # `media__gte=""` holds for all items. Without it SQLite takes another index and sorts all unencoded items for
        # each block, which took most of the time of encoding a million items.
        return self.filter(row__isnull=True, encode_error="", media__gte="").order_by("media", "media_offset", "pk")

    def unpicked(self) -> ItemQuerySet:
        """Return encoded items that no batch has taken."""
        return self.kept().filter(row__isnull=False, task__isnull=True, gold__isnull=True)

    def unlabeled(self) -> ItemQuerySet:
        """Return the items that the next batch is picked from: unpicked items without the withheld near-copies, and
        without certified items that no manager has queued.
        """
        return self.unpicked().exclude(pk__in=Copy.objects.withheld().values("item")).filter(~_certified_unqueued())

    def to_label(self) -> ItemQuerySet:
        """Return items, encoded or not, without a label or a known answer: people may be asked about them."""
        return self.kept().filter(label__isnull=True, gold__isnull=True)

    def certified(self) -> ItemQuerySet:
        """Return items that a standing certificate covers, with or without a label by people."""
        return self.filter(models.Exists(CertifiedLabel.objects.certifying().filter(item=models.OuterRef("pk"))))

    def propagated(self) -> ItemQuerySet:
        """Return near-copies that have their source's label."""
        return self.filter(pk__in=Copy.objects.propagated().values("item"))

    def asked_again(self) -> ItemQuerySet:
        """Return items that wait to be asked again by a further task, the longest waiting first."""
        return self.kept().filter(row__isnull=False, again_at__isnull=False).order_by("again_at", "pk")

    def gold(self) -> ItemQuerySet:
        """Return items with a known answer, which measures annotators."""
        return self.kept().filter(row__isnull=False, gold__isnull=False)

    def gold_to_ask(self) -> ItemQuerySet:
        """Return gold items that gold tasks may ask about: not the items whose own task still lacks answers."""
        return self.gold().filter(models.Q(task__isnull=True) | models.Q(task__outstanding=0))

    def gold_unpicked(self) -> ItemQuerySet:
        """Return gold items that no batch has picked."""
        # `pk__gt=0` holds for all items. Without it SQLite takes the index of rows and reads all items of the project.
        return self.gold().filter(task__isnull=True, pk__gt=0)

    def to_be_asked_again(self) -> ItemQuerySet:
        """Return items that are asked again: they wait for the next batch, or have a further task that lacks
        answers.
        """
        open_again = Task.objects.filter(repeats=models.OuterRef("pk"), is_gold=False, outstanding__gt=0)
        return self.kept().filter(models.Q(again_at__isnull=False) | models.Exists(open_again))

    def kept(self) -> ItemQuerySet:
        """Return items that are neither excluded nor deleted."""
        return self.filter(excluded_at__isnull=True)

    def excluded(self) -> ItemQuerySet:
        """Return items that a manager has excluded or deleted."""
        return self.filter(excluded_at__isnull=False)

    def excluded_unpicked(self) -> ItemQuerySet:
        """Return encoded items that were excluded before a batch picked them."""
        return self.excluded().filter(row__isnull=False, task__isnull=True)

    def queued(self) -> ItemQuerySet:
        """Return items that a manager queued for the next batch and no batch has picked yet."""
        return self.kept().filter(queued_at__isnull=False, task__isnull=True)

    def deleted(self) -> ItemQuerySet:
        """Return deleted items, which no list shows and a manager can restore for 30 days."""
        return self.filter(deleted_at__isnull=False)

    def not_being_erased(self) -> ItemQuerySet:
        """Return items without those that a worker will erase at once."""
        return self.exclude(pk__in=Removal.objects.at_once().values("item"))

    def labeled(self) -> ItemQuerySet:
        return self.filter(label__isnull=False)

    def trainable(self) -> ItemQuerySet:
        """Return labeled items that a model may learn from. Control items are left out, because they measure the
        model.
        """
        return self.labeled().kept().filter(row__isnull=False, reserved=False)

    def suggested(self) -> ItemQuerySet:
        """Return items imported with a suggested answer."""
        return self.filter(suggestion__isnull=False)

    def drawn(self) -> ItemQuerySet:
        """Return items that a batch drew uniformly at random: a sample of the pool, without the items that a first
        batch took to cover it.
        """
        return self.filter(task__batch__strategy__in=BY_CHANCE, task__asked=False)

    def imported(self) -> ItemQuerySet:
        """Return items imported with a label. They are no random sample of the pool."""
        return self.filter(task__batch__strategy=IMPORTED)

    def of_batches_before(self, number: int) -> ItemQuerySet:
        """Return items of the batches with a number below `number`."""
        return self.filter(task__batch__number__lt=number)

    def control(self) -> ItemQuerySet:
        return self.filter(reserved=True)

    def measuring(self) -> ItemQuerySet:
        """Return the items that measure models: labeled control items whose annotators saw no prediction."""
        prompted = Task.objects.filter(is_control=True, prompted=True)
        return self.control().labeled().kept().exclude(pk__in=prompted.values("item"))

    def unreadable(self) -> ItemQuerySet:
        """Return items that the encoder could not read."""
        return self.filter(row__isnull=True).exclude(encode_error="")

    def under_way(self) -> ItemQuerySet:
        """Return items of open batches whose task lacks answers."""
        return self.filter(task__batch__state="open", task__outstanding__gt=0)

    def skipped(self) -> ItemQuerySet:
        """Return items without a label whose annotators all skipped them."""
        unlabeled = self.skipped_by_somebody().filter(label__isnull=True, agreement__isnull=True)
        return unlabeled.filter(task__outstanding=0, again_at__isnull=True)

    def undecided(self) -> ItemQuerySet:
        """Return items whose answers give no label, because of a tie or too low a probability. They wait for a
        review.
        """
        return self.kept().filter(label__isnull=True, agreement__isnull=False, agreement__range=ANY_SHARE)

    def answered_by_all(self, members: MembershipQuerySet) -> ItemQuerySet:
        """Return items that each of these members has answered or skipped, in whichever task."""
        of_member = Annotation.objects.standing().filter(user=models.OuterRef("user"))
        item = models.OuterRef(models.OuterRef("pk"))
        others = members.filter(
            ~models.Exists(of_member.filter(task__item=item)), ~models.Exists(of_member.filter(task__repeats=item))
        )
        return self.filter(~models.Exists(others))

    def skipped_by_somebody(self) -> ItemQuerySet:
        return self.filter(pk__in=Annotation.objects.skips().values("task__item"))

    def flagged(self) -> ItemQuerySet:
        """Return items that an annotator flagged for a reviewer."""
        return self.filter(pk__in=Annotation.objects.standing().filter(flagged=True).values("task__item"))

    def in_disagreement(self) -> ItemQuerySet:
        """Return items with an answer that differs from the label or from the other answers."""
        return self.filter(agreement__lt=1)

    def answered_by(self, user: User) -> ItemQuerySet:
        """Return items that the user has answered or skipped."""
        return self.filter(pk__in=Annotation.objects.standing().filter(user=user).values("task__item"))

    def corrected(self) -> ItemQuerySet:
        """Return items with a standing correction."""
        return self.filter(pk__in=Correction.objects.standing().values("item"))

    def uncorrected(self) -> ItemQuerySet:
        """Return items without a standing correction: their label, if any, follows from the annotators' answers."""
        return self.exclude(models.Exists(Correction.objects.standing().filter(item=models.OuterRef("pk"))))


def _certified_unqueued() -> models.Exists:
    """Return the condition that a standing certificate covers an item, and no manager has queued it."""
    # Within the subquery: PostgreSQL joins for NOT EXISTS, but not if OR stands beside it.
    queued_at = models.ExpressionWrapper(models.OuterRef("queued_at"), output_field=models.DateTimeField())
    covering = CertifiedLabel.objects.certifying().filter(item=models.OuterRef("pk"))
    return models.Exists(covering.filter(IsNull(queued_at, True)))


class Item(models.Model):
    """One example of the pool. `truth`, `suggestion` and `label` hold a value as the project's question stores it: a
    class index for `single`, a list of indices for `multi`, a bool for `verify`.
    """

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
    suggestion = models.JSONField(null=True, help_text="An answer that came with it, shown to those who are prompted.")

    fingerprint = models.BigIntegerField(
        null=True, editable=False, help_text="A hash of its content: the same in all projects. Null if there is none."
    )
    row = models.PositiveBigIntegerField(null=True, help_text="Index in the project's matrices, once encoded.")
    encode_error = models.CharField(max_length=300, blank=True)

    # The item's place in a random permutation, fixed at the import. Items below the control share are reserved: control
    # slices are drawn from them in this order, and the selection may not pick them.
    control_key = models.FloatField()
    reserved = models.BooleanField()

    label = models.JSONField(null=True)
    agreement = models.FloatField(null=True, help_text="Share of its annotations that agree with the label.")
    labeled_at = models.DateTimeField(null=True)
    # Set at the end of the item's batch if tasks take several answers. A correction clears it.
    label_probability = models.FloatField(null=True, help_text="How probable it is that the label is right.")
    label_distribution = models.JSONField(
        null=True, help_text="Pairs of a value and its probability, if several have more than 0.01."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    # The item's removals say who excluded it and why. A deleted item also has `excluded_at`, so queries test only that.
    excluded_at = models.DateTimeField(null=True, help_text="When it was excluded; empty if it is not.")
    deleted_at = models.DateTimeField(null=True, help_text="When it was deleted; empty if it is not.")
    queued_at = models.DateTimeField(null=True, help_text="When a manager asked for it to be in the next batch.")
    again_at = models.DateTimeField(null=True, help_text="Since when it waits to be asked again, in the next batch.")
    sent_back = models.BooleanField(
        default=False, db_default=False, help_text="It is asked again at the word of a person."
    )
    gold = models.JSONField(null=True, help_text="The known answer, which checks annotators.")
    # The step that looks for label errors writes both, only for items whose label it doubts.
    label_quality = models.FloatField(
        null=True, help_text="The probability of the label by models that had not learned it, if they doubt it."
    )
    likely_label = models.PositiveIntegerField(
        null=True, help_text="The prediction of those models: a class's index, or for verify 1 for yes and 0 for no."
    )

    objects = ItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "external_id"], name="item_external_id_unique"),
            models.UniqueConstraint(fields=["project", "row"], name="item_row_unique"),
            models.CheckConstraint(
                condition=models.Q(deleted_at__isnull=True) | models.Q(excluded_at__isnull=False),
                name="deleted_items_are_excluded",
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "media", "media_offset", "id"],
                condition=models.Q(row__isnull=True),
                name="item_unencoded_media",
            ),
            models.Index(fields=["project", "control_key"], condition=models.Q(reserved=True), name="item_control"),
            models.Index(
                fields=["project", "labeled_at"], condition=models.Q(label__isnull=False), name="item_labeled"
            ),
            # Every page with an accuracy reads these few items.
            models.Index(
                fields=["project", "labeled_at"],
                condition=models.Q(reserved=True, label__isnull=False),
                name="item_control_labeled",
            ),
            models.Index(
                fields=["project", "agreement", "id"],
                condition=models.Q(agreement__isnull=False),
                name="item_agreement",
            ),
            # Few items, which the overview counts. Without its second field, SQLite would take `item_agreement`.
            models.Index(
                fields=["project", "agreement"],
                condition=models.Q(agreement__isnull=False, label__isnull=True),
                name="item_undecided",
            ),
            models.Index(
                fields=["project", "excluded_at"],
                condition=models.Q(excluded_at__isnull=False),
                name="item_excluded",
            ),
            models.Index(fields=["project"], condition=models.Q(suggestion__isnull=False), name="item_suggested"),
            models.Index(
                fields=["fingerprint"],
                condition=models.Q(label__isnull=False, fingerprint__isnull=False),
                name="item_labeled_content",
            ),
            models.Index(
                fields=["project", "queued_at"], condition=models.Q(queued_at__isnull=False), name="item_queued"
            ),
            models.Index(fields=["project", "again_at"], condition=models.Q(again_at__isnull=False), name="item_again"),
            models.Index(fields=["project", "id"], condition=models.Q(gold__isnull=False), name="item_gold"),
            models.Index(
                fields=["project", "label_quality"],
                condition=models.Q(label_quality__isnull=False),
                name="item_label_quality",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id

    @property
    def title(self) -> str:
        """The id; if the import drew it, the name of the item's file or its place in a table. Not for annotators."""
        drawn = _DRAWN_ID.fullmatch(self.external_id)
        return PurePosixPath(self.source).name if self.source and drawn else self.external_id


class ItemIndex(models.Model):
    """The search index holds the words of all items with ids up to `indexed_to`, and of no others.

    The words are in the table `labeling_itemwords`, whose form depends on the database: see `labels/items/search.py`.
    """

    project = models.OneToOneField(
        "labeling.Project", primary_key=True, on_delete=models.CASCADE, related_name="item_index"
    )
    indexed_to = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.project}: indexed to item {self.indexed_to}"
