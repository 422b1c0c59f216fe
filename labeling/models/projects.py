"""Projects: their question, their kind of items, their settings and their state."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext, gettext_lazy

from labeling import kinds, questions
from labeling.models.project_settings import MOST_OVERLAP, ProjectSettings
from labeling.models.roles import Ability, roles_with
from labeling.questions.base import GridBy

if TYPE_CHECKING:
    from labeling.models.accounts import User

MAX_SLUG = 60
GIVEN = "given"
"""The choice of a model with which the project trains none: `models_store.estimators.GivenLearner`."""
MAX_GUIDELINES = 200_000
"""The most characters of a version: about a hundred pages."""

slug_validator = RegexValidator(
    r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z",
    gettext_lazy("Use lower-case letters, digits and single hyphens, for example 'street-signs'."),
)


def new_secret() -> bytes:
    """Return 256 random bits."""
    return secrets.token_bytes(32)


def random_seed() -> int:
    """Return a seed below 2³¹, which fits the column and numpy."""
    return secrets.randbelow(2**31)


class ProjectQuerySet(models.QuerySet["Project"]):
    def kept(self) -> ProjectQuerySet:
        """Return the projects that are not deleted."""
        return self.filter(deleted_at=None)

    def locked(self, pk: int) -> Project:
        """Return the project with this id, its row locked against other changes until the transaction ends."""
        return self.select_for_update(no_key=True).get(pk=pk)

    def visible_to(self, user: User) -> ProjectQuerySet:
        """Return the projects that `user` may see as a member, without deleted ones."""
        return self.kept().filter(memberships__user=user, memberships__role__in=roles_with(Ability.PROJECT_READ))


class Project(ProjectSettings):
    """One labeling project. A changed setting applies to the next batch; each batch records its own settings."""

    class Loop(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused", "paused: annotators get no tasks"
        STOPPED = "stopped", "stopped: no batch follows the present one"

    slug = models.CharField(max_length=MAX_SLUG, unique=True, validators=[slug_validator])
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=kinds.choices)
    question = models.CharField(max_length=10, choices=questions.choices, default="single")
    prompt = models.CharField(max_length=300, blank=True, help_text="What annotators are asked.")
    guidelines = models.TextField(
        blank=True, max_length=MAX_GUIDELINES, help_text="How to decide; shown to annotators on demand."
    )
    seed = models.PositiveIntegerField(default=random_seed, help_text="What trainings draw at random follows from it.")
    # Never shown: it determines which items are control items.
    secret = models.BinaryField(default=new_secret, editable=False)
    loop = models.CharField(max_length=10, choices=Loop, default=Loop.RUNNING)

    storage_limit_mb = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="What the project's files and rows may take, in MiB; if empty, as PROJECT_STORAGE_MB says.",
    )
    item_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The most items that the project may have; if empty, as PROJECT_ITEMS says.",
    )
    member_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The most members that the project may have; if empty, as PROJECT_MEMBERS says.",
    )

    # By the index of a merged class, as JSON stores it (a string), the index of the class that it became.
    merged = models.JSONField(default=dict, editable=False)
    # Former names of classes: [name, index, the last `class_revision` at which the class had the name], oldest first.
    earlier_names = models.JSONField(default=list, editable=False)
    split = models.JSONField(default=list, editable=False, help_text="Classes whose items are asked again, by index.")
    class_revision = models.PositiveIntegerField(default=0, editable=False)
    guidelines_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Number of the guidelines as they are; 0 if none were ever written."
    )

    family = models.ForeignKey(
        "labeling.LabelFamily",
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="projects",
        help_text="The projects that hold the same labels; empty if no other does.",
    )

    # The state of the pool's matrices. The first `encoded_rows` rows of this generation's features file are valid.
    vector_length = models.PositiveIntegerField(null=True, blank=True, editable=False)
    encoded_rows = models.PositiveBigIntegerField(default=0, editable=False)
    purged_rows = models.PositiveBigIntegerField(default=0, editable=False, help_text="Of items removed for good.")
    nothing_left_at = models.DateTimeField(
        null=True, editable=False, help_text="When no item was left for a next batch; null while there may be one."
    )
    reviews_since = models.DateTimeField(
        null=True, editable=False, help_text="Since when items wait for a review without a break, as far as known."
    )
    features_generation = models.PositiveIntegerField(default=0, editable=False)
    encoder_since = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Number of the first version that learned from this encoder."
    )

    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Whose quota of projects it counts towards; empty for projects that commands make.",
    )
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
            takers = questions.listed(lambda question: question.grid_by != GridBy.NOTHING)
            text = gettext("Grids are for images and texts where the question is %(questions)s.")
            raise ValidationError({"grids": text % {"questions": takers}})
        if self.near_copies and not self.can_show_copies:
            others = questions.listed(lambda question: question.proposes)
            text = gettext(
                "Near-copies are for images and texts where the question is not %(questions)s, in projects without "
                "privacy."
            )
            raise ValidationError({"near_copies": text % {"questions": others}})
        # The validators of `overlap` report an overlap beyond its limit.
        if self.overlap_max is not None and self.overlap_max <= self.overlap <= MOST_OVERLAP:
            text = gettext(
                "Enter more than %(overlap)s, the number of answers that every task gets (overlap), or leave "
                "the field empty."
            )
            raise ValidationError({"overlap_max": text % {"overlap": self.overlap}})

    @property
    def asks(self) -> questions.Question:
        """The object of the project's question, which holds all code that differs between questions."""
        return questions.named(self.question)

    @property
    def trains(self) -> bool:
        """Whether the project trains models; if not, predictions from outside pick its batches."""
        return bool(self.model.get("name") != GIVEN)

    @property
    def waits_for_predictions(self) -> bool:
        """Whether the next batch waits for newer predictions from outside; else the newest ones at hand pick it."""
        return not self.trains and self.pick_ahead is None

    @property
    def suggests_several(self) -> bool:
        """Whether tasks suggest several likely classes: if predictions are shown and annotators search the classes. One
        query.
        """
        return self.show_predictions and self.asks.searches(self.classes.offered().count())

    @property
    def can_show_grids(self) -> bool:
        """Whether the question and the kind of items allow grids, in which annotators answer many items at once."""
        return self.asks.grid_by != GridBy.NOTHING and kinds.of(self).in_grids

    @property
    def can_show_copies(self) -> bool:
        """Whether one answer may count for near-copies.

        The kind of items must be quick to compare, the question must not propose classes, and the project must not be
        private: a privacy budget requires that each answer counts once.
        """
        return kinds.of(self).in_grids and not self.asks.proposes and self.privacy_epsilon is None

    def class_names(self, indices: Iterable[int], *, offered: bool = False) -> dict[int, str]:
        """Return the names of these classes by index; with `offered`, only of classes that are offered. Takes at most
        one query.
        """
        numbers = set(indices)
        if not numbers:
            return {}
        classes = self.classes.offered() if offered else self.classes
        return dict(classes.filter(index__in=numbers).values_list("index", "name"))

    def names_in(self, values: Iterable[Any], also: Iterable[int] = ()) -> dict[int, str]:
        """Return the names, by index, of the classes in these stored values, of which some may be None, and of the
        classes in `also`. Takes at most one query.
        """
        indices = set(also)
        for value in values:
            if value is not None:
                indices.update(self.asks.classes_in(value))
        return self.class_names(indices)

    def answer_names(self, indices: Iterable[int]) -> dict[int, str]:
        """Return the names of these answers of a model, by index: class names, or yes and no."""
        return dict(enumerate(self.asks.answers)) or self.class_names(indices)

    def as_called(self, indices: Mapping[str, int], revision: int | None) -> Mapping[str, int]:
        """Return the indices of classes by name, with former names added. `indices`: by present name.

        With `revision`, a former name stands for the class that had it at that revision. Without, a former name is
        added if no class has it in `indices`; of several classes that had it, the last one counts.
        """
        earlier: dict[str, int] = {}
        for name, index, until in reversed(self.earlier_names):
            if revision is None:
                if name not in indices:
                    earlier.setdefault(name, index)
            elif until >= revision:
                earlier[name] = index  # the loop ends with the oldest entry that held at `revision`
        return {**indices, **earlier} if earlier else indices

    @property
    def merges(self) -> dict[int, int]:
        """Return, by the index of each merged class, the index of the class that it became."""
        return {int(index): target for index, target in self.merged.items()}

    def follow(self, value: Any) -> Any:
        """Replace each merged class in a stored value by the class that it became."""
        return self.asks.follow(value, self.merges) if self.merged else value

    def is_split(self, label: Any) -> bool:
        """Return whether a label names a class that was split, so that its item must be asked again."""
        if not self.split or label is None:
            return False
        return not set(self.split).isdisjoint(self.asks.classes_in(label))

    @property
    def answer_count(self) -> int:
        """The number of answers that a model distinguishes. At most one query."""
        return len(self.asks.answers) or self.classes.count()

    def keyed(self, purpose: str, subject: object) -> bytes:
        """Return the HMAC-SHA256 (32 bytes) of `purpose/subject` under the project's secret. Each use has its own
        purpose.
        """
        return self.keyed_by(purpose)(subject)

    def keyed_by(self, purpose: str) -> Callable[[object], bytes]:
        """Return `keyed` for one purpose, for many subjects: it takes half the time per subject."""
        begun = hmac.new(bytes(self.secret), f"{purpose}/".encode(), "sha256")

        def keyed(subject: object) -> bytes:
            code = begun.copy()
            code.update(str(subject).encode("utf-8", "surrogatepass"))
            return code.digest()

        return keyed
