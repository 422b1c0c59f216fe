"""The classes of a project, the changes to them, annotators' proposals for classes, and examples; the guidelines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from unicodedata import normalize

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy

from labeling.questions.base import MAX_NAME

MAX_DESCRIPTION = 2000
MAX_ALIASES = 20
MAX_PROPOSAL = 100
"""The most characters of the name of a proposed class."""
BETWEEN = " > "
"""Separates the names of a path: `animal > bird` is above `animal > bird > owl`."""
NO_PARENT = -1


def folded(name: str) -> str:
    """Fold a name, so that spellings that differ in case, blanks or Unicode composition are equal."""
    return " ".join(normalize("NFC", name).casefold().split())


class LabelClassQuerySet(models.QuerySet["LabelClass"]):
    def offered(self) -> LabelClassQuerySet:
        """Return classes that an answer may name, in the order of the pages."""
        return self.filter(archived_at__isnull=True).order_by("position", "index")

    def places_above(self, offered: Sequence[LabelClass]) -> list[int]:
        """Return, for each of the `offered` ones of these classes, the place in `offered` of its parent, or
        `NO_PARENT`: the tree in which annotators choose a class level by level. One query.

        The list is empty if no class has a parent. The parent that a manager chose takes precedence over the path in
        the name. A chosen parent that is not in `offered` is replaced by its nearest ancestor in `offered`.
        """
        place = {each.pk: at for at, each in enumerate(offered)}
        named = {each.name: at for at, each in enumerate(offered)}
        parents = dict(self.filter(parent__isnull=False).values_list("pk", "parent"))
        above = []
        for each in offered:
            parent = parents.get(each.pk)
            while parent is not None and parent not in place:
                parent = parents.get(parent)
            above.append(_place_by_path(each.name, named) if parent is None else place[parent])
        return above if any(at != NO_PARENT for at in above) else []


def _place_by_path(name: str, named: Mapping[str, int]) -> int:
    """Return the place of the class whose name is the longest prefix of this path."""
    while BETWEEN in name:
        name = name.rpartition(BETWEEN)[0]
        if name in named:
            return named[name]
    return NO_PARENT


class LabelClass(models.Model):
    """One class of a project. Answers, labels and models hold its index, which never changes and is never reused.

    An archived class is not offered to annotators. `Project.merged` maps a merged class to the class it became.
    """

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="classes")
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=MAX_NAME)
    position = models.PositiveIntegerField(default=0, help_text="Its place among the classes, as people see them.")
    description = models.TextField(blank=True, max_length=MAX_DESCRIPTION, help_text="When it applies: for annotators.")
    key = models.CharField(
        max_length=1,
        blank=True,
        validators=[RegexValidator(re.compile(r"[0-9]\Z"), gettext_lazy("A key is one digit."))],
        help_text="The digit key that chooses it. It stays while the class is offered.",
    )
    colour = models.CharField(
        max_length=7,
        blank=True,
        validators=[RegexValidator(re.compile(r"#[0-9a-f]{6}\Z"), gettext_lazy("A colour is written like #3366cc."))],
        help_text="Of its mark on the annotator's screen.",
    )
    aliases = models.JSONField(default=list, blank=True, help_text="Other words by which it can be searched.")
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="children",
        help_text="The class above it.",
    )
    archived_at = models.DateTimeField(null=True, help_text="The time since which annotators cannot choose it.")

    objects = LabelClassQuerySet.as_manager()

    class Meta:
        ordering = ["project", "index"]
        constraints = [
            models.UniqueConstraint(fields=["project", "index"], name="class_index_unique"),
            models.UniqueConstraint(fields=["project", "name"], name="class_name_unique"),
            models.UniqueConstraint(
                fields=["project", "key"],
                condition=models.Q(archived_at__isnull=True) & ~models.Q(key=""),
                name="class_key_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ClassChange(models.Model):
    """One change to a project's classes, with the data for its undo.

    Revisions count up. An annotation holds the revision at which it was given; the changes up to this revision give the
    classes of that moment.
    """

    class Kind(models.TextChoices):
        ADDED = "added"
        EDITED = "edited"
        MOVED = "moved"
        MERGED = "merged"
        SPLIT = "split"
        ARCHIVED = "archived"
        RESTORED = "restored"

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="class_changes")
    revision = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=500, help_text="What was changed, for people.")
    classes = models.JSONField(default=list, help_text="Indices of the classes that it is about.")
    before = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder, help_text="Fields of the classes as they were, by index."
    )
    merged_before = models.JSONField(default=dict, help_text="`Project.merged` as it was.")
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    relabels = models.BooleanField(default=False, help_text="Labels have yet to follow it.")

    class Meta:
        ordering = ["project", "revision"]
        constraints = [
            models.UniqueConstraint(fields=["project", "revision"], name="class_revision_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.text} ({self.project})"


class ClassProposalQuerySet(models.QuerySet["ClassProposal"]):
    def open(self) -> ClassProposalQuerySet:
        """Return proposals that no manager has settled and no annotator has undone."""
        return self.filter(settled_at__isnull=True, annotation__undone_at__isnull=True)


class ClassProposal(models.Model):
    """A class that an annotator proposed with a skip. A manager settles all proposals of the same name at once."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="proposals")
    annotation = models.OneToOneField("labeling.Annotation", on_delete=models.CASCADE, related_name="proposal")
    name = models.CharField(max_length=MAX_PROPOSAL)
    key = models.CharField(max_length=3 * MAX_PROPOSAL, help_text="What spellings of one name have in common.")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    taken_as = models.PositiveIntegerField(null=True, help_text="Index of the class that it became; null if dismissed.")

    objects = ClassProposalQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["project", "key"], condition=models.Q(settled_at__isnull=True), name="proposal_open"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.project})"


class ClassExample(models.Model):
    """An item that shows annotators an example of a class."""

    label_class = models.ForeignKey(LabelClass, on_delete=models.CASCADE, related_name="examples")
    item = models.ForeignKey("labeling.Item", on_delete=models.CASCADE, related_name="example_of")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["label_class", "item"], name="example_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.item} for {self.label_class}"


class GuidelinesVersion(models.Model):
    """One saved version of the guidelines. Numbers count up from 1; the newest version equals `Project.guidelines`.

    An annotation holds the number of the version that its annotator had on the screen.
    """

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="guidelines_versions")
    number = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["project", "number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="guidelines_number_unique"),
        ]

    def __str__(self) -> str:
        return f"guidelines {self.number} of {self.project}"


class GuidelinesImage(models.Model):
    """An image that the guidelines name. Its file never changes, so that earlier versions keep their look."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="guidelines_images")
    name = models.CharField(max_length=100, help_text="What the guidelines call it.")
    alt_text = models.CharField(max_length=300, help_text="What it shows, for people who cannot see it.")
    media = models.CharField(max_length=200, help_text="Where the file lies, below the folder of media.")
    bytes = models.PositiveIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="guidelines_image_name_unique"),
        ]

    def __str__(self) -> str:
        return f"image {self.name} of {self.project}"
