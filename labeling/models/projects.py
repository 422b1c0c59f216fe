"""A labeling effort: what is asked about which kind of item, and how batches are made."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from labeling import kinds, questions
from labeling.questions.base import GridBy

if TYPE_CHECKING:
    from labeling.models.people import User

MAX_CLASSES = 20_000
MAX_SLUG = 60
MOST_OVERLAP = 25
MOST_COPIES = 12

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
    def kept(self) -> ProjectQuerySet:
        """The projects that are not deleted: the others exist for nobody."""
        return self.filter(deleted_at=None)

    def visible_to(self, user: User) -> ProjectQuerySet:
        """The projects that `user` is a member of: for everybody else they do not exist."""
        return self.kept().filter(memberships__user=user)


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

    class Resolving(models.TextChoices):
        MAJORITY = "majority", "majority: the most frequent answer"
        DAWID_SKENE = "dawid-skene", "Dawid–Skene: each person's typical mistakes are learned"

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
        validators=[MinValueValidator(1), MaxValueValidator(MOST_OVERLAP)],
        help_text="How many people answer each task; with `overlap_max`, how many at least.",
    )
    overlap_max = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(2), MaxValueValidator(9)],
        help_text="Up to so many people answer a task whose label is in doubt; if empty, none gets more than others.",
    )
    label_confidence = models.FloatField(
        default=0.95,
        validators=[finite, MinValueValidator(0.5), MaxValueValidator(0.9999)],
        help_text="One more person answers until the label is right with this probability.",
    )
    check_share = models.FloatField(
        default=0.05,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="This part of the tasks, drawn at random, is answered by one more person in any case.",
    )
    resolving = models.CharField(
        max_length=15, choices=Resolving, default=Resolving.MAJORITY, help_text="How several answers become a label."
    )
    gold_share = models.FloatField(
        default=0.0,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(0.5)],
        help_text="As many tasks for each task of a batch have an answer that is known, to check annotators.",
    )
    gold_threshold = models.FloatField(
        null=True,
        blank=True,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Who is very probably right less often than this gets no more tasks until a manager has looked.",
    )
    review_share = models.FloatField(
        default=0.0,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="This part of every person's answers is drawn at random and comes to the reviewers.",
    )
    lease_seconds = models.PositiveIntegerField(
        default=180,
        validators=[MinValueValidator(5), MaxValueValidator(7 * 86400)],
        help_text="A task that nobody answers within this time goes to somebody else.",
    )
    pick_ahead = models.FloatField(
        null=True,
        blank=True,
        default=0.9,
        validators=[finite, MinValueValidator(0.05), MaxValueValidator(1.0)],
        help_text="When this part of a batch is given out, the next one is picked by the model at hand, so that nobody "
        "waits; if empty, the next batch waits for the newest model.",
    )
    daily_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="Answers that one person may give a day, unless the member has another limit; if empty, any number.",
    )
    replace_skips = models.BooleanField(
        default=True,
        help_text="Whether an item that everybody skips is replaced by a similar one, in up to a fifth of the batch.",
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
        help_text="Up to so many near-copies of an item are shown beside it, and get its label; 0 for none.",
    )
    copy_error = models.FloatField(
        default=0.05,
        db_default=0.05,
        validators=[finite, MinValueValidator(0.001), MaxValueValidator(0.5)],
        help_text="The part of the near-copies that may have another label than people would give them.",
    )
    copy_checks = models.FloatField(
        default=0.1,
        db_default=0.1,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(0.5)],
        help_text="As many near-copies for each task of a batch are asked of people, to measure that.",
    )
    copy_weight = models.FloatField(
        default=0.5,
        db_default=0.5,
        validators=[finite, MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="What a near-copy counts in training, beside 1 for an answered item; 0: it is not learned from.",
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

    # Classes: which were merged into which, by index as JSON has it, and how often they were changed.
    merged = models.JSONField(default=dict, editable=False)
    # Names that classes had: [name, index, the last `class_revision` at which it was so], in that order.
    earlier_names = models.JSONField(default=list, editable=False)
    split = models.JSONField(default=list, editable=False, help_text="Classes whose items are asked again, by index.")
    class_revision = models.PositiveIntegerField(default=0, editable=False)
    guidelines_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Number of the guidelines as they are; 0 if none were ever written."
    )

    # State of the pool's matrices. Rows up to `encoded_rows` of the features file of this generation are valid.
    vector_length = models.PositiveIntegerField(null=True, blank=True, editable=False)
    encoded_rows = models.PositiveBigIntegerField(default=0, editable=False)
    purged_rows = models.PositiveBigIntegerField(default=0, editable=False, help_text="Of items removed for good.")
    features_generation = models.PositiveIntegerField(default=0, editable=False)

    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, editable=False, help_text="Since when it can only be read.")
    deleted_at = models.DateTimeField(null=True, editable=False)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Refuse settings that contradict each other."""
        if self.grids and not self.can_show_grids:
            text = "Grids are for images and texts where the question is single or verify."
            raise ValidationError({"grids": text})
        if self.near_copies and not self.can_show_copies:
            text = "Near-copies are for images and texts where the question is not verify, in projects without privacy."
            raise ValidationError({"near_copies": text})
        # An overlap that cannot be is told by its own field.
        if self.overlap_max is not None and self.overlap_max <= self.overlap <= MOST_OVERLAP:
            raise ValidationError(
                {
                    "overlap_max": f"It must be more than the overlap, {self.overlap}, which every task gets; leave it "
                    "empty for no more than that."
                }
            )

    @property
    def asks(self) -> questions.Question:
        """The kind of question, which knows all that differs from the others."""
        return questions.named(self.question)

    @property
    def can_show_grids(self) -> bool:
        """Whether many of its items may be answered at once."""
        return self.asks.grid_by != GridBy.NOTHING and kinds.of(self).in_grids

    @property
    def can_show_copies(self) -> bool:
        """Whether one answer may count for near-copies: they can be told apart at a glance, and each answer need not
        count once, as a privacy budget has it.
        """
        return kinds.of(self).in_grids and not self.asks.proposes and self.privacy_epsilon is None

    def class_names(self, indices: Iterable[int], *, offered: bool = False) -> dict[int, str]:
        """The names of these classes, or of those among them that are `offered`. One query; none for no class."""
        numbers = set(indices)
        classes = self.classes.offered() if offered else self.classes
        return dict(classes.filter(index__in=numbers).values_list("index", "name")) if numbers else {}

    def answer_names(self, indices: Iterable[int]) -> dict[int, str]:
        """What these answers of a model are called: classes, or yes and no."""
        return dict(enumerate(self.asks.answers)) or self.class_names(indices)

    def as_called(self, indices: Mapping[str, int], revision: int | None) -> Mapping[str, int]:
        """`indices` of classes by the names that they had at this revision of the classes. Without a revision, earlier
        names are added as far as no class has them now.
        """
        earlier: dict[str, int] = {}
        for name, index, until in reversed(self.earlier_names):
            if revision is None:
                if name not in indices:
                    earlier.setdefault(name, index)
            elif until >= revision:
                earlier[name] = index  # the oldest that still held then comes last
        return {**indices, **earlier} if earlier else indices

    @property
    def merges(self) -> dict[int, int]:
        """The class that each merged class has become."""
        return {int(index): target for index, target in self.merged.items()}

    def follow(self, value: Any) -> Any:
        """A stored value with each class that was merged replaced by the one that it has become."""
        return self.asks.follow(value, self.merges) if self.merged else value

    def is_split(self, label: Any) -> bool:
        """Whether a label names a class that was split: the item is to be asked again."""
        return bool(self.split) and not set(self.split).isdisjoint(label if isinstance(label, list) else [label])

    @property
    def answer_count(self) -> int:
        """How many answers a model tells apart. One query at most."""
        return len(self.asks.answers) or self.classes.count()

    def keyed(self, purpose: str, subject: object) -> bytes:
        """HMAC-SHA256 of the purpose (one word for each use) and the subject under the project's secret: 32 bytes."""
        return self.keyed_by(purpose)(subject)

    def keyed_by(self, purpose: str) -> Callable[[object], bytes]:
        """`keyed` for one purpose and many subjects, in half the time."""
        begun = hmac.new(bytes(self.secret), f"{purpose}/".encode(), "sha256")

        def keyed(subject: object) -> bytes:
            code = begun.copy()
            code.update(str(subject).encode("utf-8", "surrogatepass"))
            return code.digest()

        return keyed
