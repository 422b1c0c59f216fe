"""The settings of a project. A change applies to the next batch; each batch records its own settings."""

import datetime
import math

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext

from selector import strategies

MAX_CLASSES = 20_000
MOST_OVERLAP = 25
MOST_COPIES = 12
# In seconds.
MIN_LEASE, MAX_LEASE = 5, 7 * 86400
MIN_READY, MAX_READY = 10, 200


def finite(value: float) -> None:
    """Raise `ValidationError` for NaN and infinity: NaN passes validators that compare with a limit."""
    if not math.isfinite(value):
        raise ValidationError(gettext("Enter a finite number."))


class ProjectSettings(models.Model):
    """The settings that are fields of the project."""

    class Resolving(models.TextChoices):
        MAJORITY = "majority", "majority: the most frequent answer"
        DAWID_SKENE = "dawid-skene", "Dawid–Skene: each person's typical mistakes are learned"

    batch_size = models.PositiveIntegerField(
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="Items in one batch (k_t): the model is retrained after that many answers.",
    )
    candidate_factor = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(1.0), MaxValueValidator(1000.0)],
        help_text="The batch is drawn from the least certain items, this many times its size; if empty, from as "
        "many as needed to take each item from a different cluster.",
    )
    mean_cluster_size = models.FloatField(
        default=5.0,
        validators=[finite, MinValueValidator(1.0), MaxValueValidator(1_000_000.0)],
        help_text="Near-duplicates are grouped in clusters of about this many items.",
    )
    control_share = models.FloatField(
        default=0.1,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(0.9)],
        help_text="This part of each batch is drawn at random and only used to measure accuracy honestly.",
    )
    overlap = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_OVERLAP)],
        help_text="How many people answer each task; with `overlap_max`, how many at least.",
    )
    overlap_max = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(2), MaxValueValidator(9)],
        help_text="The maximum number of people who answer a task whose label is in doubt; if empty, every task "
        "gets the same number.",
    )
    label_confidence = models.FloatField(
        default=0.95,
        validators=[finite, MinValueValidator(0.5), MaxValueValidator(0.9999)],
        help_text="One more person answers until the label is right with this probability.",
    )
    resolving = models.CharField(
        max_length=15, choices=Resolving, default=Resolving.MAJORITY, help_text="How several answers become a label."
    )
    gold_share = models.FloatField(
        default=0.0,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(0.5)],
        help_text="The number of gold tasks, which have a known answer and check annotators, for each task of a batch.",
    )
    gold_threshold = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="People who are very probably right less often than this get no more tasks until a manager decides.",
    )
    review_share = models.FloatField(
        default=0.0,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="This part of every person's answers is drawn at random for the reviewers.",
    )
    lease_seconds = models.PositiveIntegerField(
        default=180,
        validators=[MinValueValidator(MIN_LEASE), MaxValueValidator(MAX_LEASE)],
        help_text="A task without an answer within this time goes to another person.",
    )
    kept_ready = models.PositiveSmallIntegerField(
        default=MIN_READY,
        db_default=MIN_READY,
        validators=[MinValueValidator(MIN_READY), MaxValueValidator(MAX_READY)],
        help_text="Items that an annotator's page keeps ready, also for a time without a network; fewer if the person "
        "could not answer them within the lease.",
    )
    pick_ahead = models.FloatField(
        null=True,
        blank=True,
        default=0.9,
        validators=[finite, MinValueValidator(0.05), MaxValueValidator(1.0)],
        help_text="When this part of a batch is given out, the next one is picked by the model at hand, so that no "
        "annotator waits; if empty, the next batch waits for the newest model.",
    )
    daily_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="Answers that one person may give a day, unless the member has another limit; if empty, any number.",
    )
    replace_skips = models.BooleanField(
        default=True,
        help_text="Whether an item that all annotators skip is replaced by a similar one, in up to a fifth of the "
        "batch.",
    )
    strategy = models.CharField(max_length=20, choices=strategies.choices, default="cluster-margin")
    class_guard = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(1.0), MaxValueValidator(MAX_CLASSES)],
        help_text="No predicted class has more than this many times its even share of a batch.",
    )
    training = models.JSONField(default=dict, blank=True, help_text="Overrides of the training settings.")
    model = models.JSONField(
        default=dict,
        blank=True,
        help_text="The model that learns from the labels; if empty, a network. See also `training`.",
    )
    encoder = models.JSONField(
        default=dict,
        blank=True,
        help_text="The encoder, which turns items into numbers; if empty, the first of the kind. Once an "
        "item is encoded, another one takes effect with the next version.",
    )
    show_predictions = models.BooleanField(
        default=False,
        help_text="Shows annotators what the model predicts, on half of the tasks. Quicker, but people tend to agree.",
    )
    class_proposals = models.BooleanField(
        default=False,
        help_text="Lets annotators propose a class for an item that none fits; managers accept or dismiss it.",
    )
    show_suggestions = models.BooleanField(
        default=True,
        help_text="Shows annotators the answers that were imported as suggestions, on half of the tasks.",
    )

    grids = models.BooleanField(
        default=False,
        help_text="Asks about many items of one class at once: annotators mark the wrong ones and confirm the rest.",
    )

    near_copies = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(MOST_COPIES)],
        help_text="The maximum number of near-copies that are shown beside an item and get its label; 0 for none.",
    )

    # Without an epsilon the project is not private.
    privacy_epsilon = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(0.1), MaxValueValidator(100.0)],
        help_text="All trainings together may cost this much privacy (ε); empty: trainings are not private.",
    )
    privacy_delta = models.FloatField(
        default=1e-6,
        validators=[finite, MinValueValidator(1e-12), MaxValueValidator(0.001)],
        help_text="The chance (δ) that the guarantee fails.",
    )
    privacy_trainings = models.PositiveIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="The number of trainings that share the budget.",
    )
    privacy_noise = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(0.3), MaxValueValidator(10_000.0)],
        help_text="Noise multiplier of every training; if empty, the noise with which the budget lasts for its "
        "trainings.",
    )

    # A deadline ends a batch before its last answer, so that an absent annotator cannot stall the loop.
    deadline_hours = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(0.1), MaxValueValidator(8760)],
        help_text="After this many hours a batch ends with the answers that it has, if they are enough.",
    )
    complete_share = models.FloatField(
        default=0.9,
        validators=[finite, MinValueValidator(0.1), MaxValueValidator(1.0)],
        help_text="The part of a batch that must be answered before the deadline can end it.",
    )

    # Only the pages that show the consequences of settings use the cost.
    hourly_cost = models.DecimalField(
        null=True,
        blank=True,
        max_digits=9,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        help_text="What an hour of labeling costs.",
    )
    currency = models.CharField(max_length=8, blank=True, default="EUR", help_text="Of the hourly cost.")

    class Meta:
        abstract = True

    @property
    def lease(self) -> datetime.timedelta:
        """The lease of a claimed task."""
        return datetime.timedelta(seconds=self.lease_seconds)
