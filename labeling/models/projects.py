"""A labeling effort: what is asked about which kind of item, and how batches are made."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from labeling import kinds, questions
from labeling.questions.base import MAX_NAME

if TYPE_CHECKING:
    from labeling.models.people import User

MAX_CLASSES = 20_000
MAX_SLUG = 60

slug_validator = RegexValidator(
    r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z",
    "Use lower-case letters, digits and single hyphens, for example 'street-signs'.",
)


def finite(value: float) -> None:
    """Refuse NaN, which slips through every comparison with a limit."""
    if not math.isfinite(value):
        raise ValidationError("Give a finite number.")


def new_secret() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(32)


def random_seed() -> int:
    """A seed that fits a 31-bit column and numpy alike."""
    return secrets.randbelow(2**31)


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> ProjectQuerySet:
        """The projects that `user` is a member of: for everybody else they do not exist."""
        return self.filter(memberships__user=user)


class Project(models.Model):
    """Settings hold for the next batch; what a batch was made with is recorded on the batch."""

    class Loop(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused", "paused: nobody is given tasks"
        STOPPED = "stopped", "stopped: no batch follows the present one"

    class Strategy(models.TextChoices):
        CLUSTER_MARGIN = "cluster-margin"
        MARGIN = "margin"
        ENTROPY = "entropy"
        CORESET = "coreset"
        BADGE = "badge"
        UNIFORM = "uniform"

    slug = models.CharField(max_length=MAX_SLUG, unique=True, validators=[slug_validator])
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=kinds.choices)
    question = models.CharField(max_length=10, choices=questions.choices, default="single")
    prompt = models.CharField(max_length=300, blank=True, help_text="What annotators are asked.")
    guidelines = models.TextField(blank=True, help_text="How to decide; shown to annotators on demand.")
    seed = models.PositiveIntegerField(default=random_seed, help_text="What trainings draw at random follows from it.")
    # Never shown: whoever knows it can compute which items are control items.
    secret = models.BinaryField(default=new_secret, editable=False)
    loop = models.CharField(max_length=10, choices=Loop, default=Loop.RUNNING)

    batch_size = models.PositiveIntegerField(
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="Items in one batch (k_t): the model is trained anew after that many answers.",
    )
    candidate_factor = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(1.0), MaxValueValidator(1000.0)],
        help_text="The batch is drawn from this many times its size of the items that the model doubts most; if empty, "
        "from as many as it takes for each to come from another cluster.",
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
        validators=[MinValueValidator(1), MaxValueValidator(25)],
        help_text="How many people answer each task.",
    )
    lease_seconds = models.PositiveIntegerField(
        default=180,
        validators=[MinValueValidator(5), MaxValueValidator(7 * 86400)],
        help_text="A task that nobody answers within this time goes to somebody else.",
    )
    strategy = models.CharField(max_length=20, choices=Strategy, default=Strategy.CLUSTER_MARGIN)
    class_guard = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(1.0), MaxValueValidator(MAX_CLASSES)],
        help_text="No class, as the model takes it, has more than this many times its even share of a batch.",
    )
    training = models.JSONField(default=dict, blank=True, help_text="Overrides of the training settings.")
    model = models.JSONField(
        default=dict, blank=True, help_text="What learns from the labels; if empty, a network. See also `training`."
    )
    encoder = models.JSONField(
        default=dict,
        blank=True,
        help_text="What turns items into numbers; if empty, the default of the kind. Holds once an item is encoded.",
    )
    show_predictions = models.BooleanField(
        default=False,
        help_text="Shows annotators what the model predicts, on half of the tasks. Quicker, but people tend to agree.",
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
        help_text="The chance (δ) with which that may fail.",
    )
    privacy_trainings = models.PositiveIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="So many trainings share the budget.",
    )
    privacy_noise = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(0.3), MaxValueValidator(10_000.0)],
        help_text="Noise multiplier of every training; empty: what makes the budget last for its trainings.",
    )

    # A batch may end before its last answer, so that an absent person or a few hard items cannot stall the loop.
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

    # What an hour of labeling costs, to show what a setting leads to. Nothing else depends on it.
    hourly_cost = models.DecimalField(
        null=True,
        blank=True,
        max_digits=9,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        help_text="What an hour of labeling costs.",
    )
    currency = models.CharField(max_length=8, blank=True, default="EUR", help_text="Of the hourly cost.")

    storage_limit_mb = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="What the project's files may take, in MiB; if empty, as PROJECT_STORAGE_MB says.",
    )

    # State of the pool's matrices. Rows up to `encoded_rows` of the features file of this generation are valid.
    vector_length = models.PositiveIntegerField(null=True, blank=True, editable=False)
    encoded_rows = models.PositiveBigIntegerField(default=0, editable=False)
    features_generation = models.PositiveIntegerField(default=0, editable=False)

    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    @property
    def asks(self) -> questions.Question:
        """The kind of question, which knows all that differs from the others."""
        return questions.named(self.question)

    def class_names(self, indices: Iterable[int]) -> dict[int, str]:
        """The names of these classes. One query; none for no class."""
        wanted = set(indices)
        return dict(self.classes.filter(index__in=wanted).values_list("index", "name")) if wanted else {}

    def answer_names(self, indices: Iterable[int]) -> dict[int, str]:
        """What these answers of a model are called: classes, or yes and no."""
        return dict(enumerate(self.asks.answers)) or self.class_names(indices)

    @property
    def answer_count(self) -> int:
        """How many answers a model tells apart. One query at most."""
        return len(self.asks.answers) or self.classes.count()

    def keyed(self, purpose: str, subject: object) -> bytes:
        """HMAC-SHA256 of the purpose (one word for each use) and the subject under the project's secret: 32 bytes."""
        message = f"{purpose}/{subject}".encode("utf-8", "surrogatepass")
        return hmac.digest(bytes(self.secret), message, "sha256")


class LabelClass(models.Model):
    """One class of a project. Annotations hold its index, so that a name can be corrected."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="classes")
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=MAX_NAME)

    class Meta:
        ordering = ["project", "index"]
        constraints = [
            models.UniqueConstraint(fields=["project", "index"], name="class_index_unique"),
            models.UniqueConstraint(fields=["project", "name"], name="class_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name
