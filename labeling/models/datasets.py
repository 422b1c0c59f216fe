"""Dataset versions: named, immutable states of a project's labels, and the files that hold their rows."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from labeling.models.files import FileOwner
from labeling.models.jobs import Cause

# A name stands in addresses and in names of files.
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
# Names that only the version of that number may have.
NUMBERED = r"v(\d{1,9})"
NAME_RULE = gettext_lazy("Use letters, digits, dots, hyphens and underscores; begin with a letter or a digit.")


class DatasetFile(FileOwner):
    """A file of rows, named by its content. Dataset versions share it: each new one adds a file with the changes."""

    noun = "datasets"
    whole = Q()
    admin_columns = ("project", "digest", "rows", "size")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="dataset_files")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    rows = models.PositiveBigIntegerField(help_text="With those that take a row out.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="dataset_file_unique")]

    def __str__(self) -> str:
        return str(self.file_name)

    @property
    def file_name(self) -> PurePosixPath:
        return PurePosixPath(self.noun, f"{self.digest}.parquet")


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    def named(self, name: str) -> DatasetVersionQuerySet:
        """Return the version of a project with this name. Each version also goes by its number: `v3`."""
        number = re.fullmatch(NUMBERED, name, re.ASCII)
        return self.filter(number=int(number[1])) if number else self.filter(name=name)

    def whole(self) -> DatasetVersionQuerySet:
        """Return versions whose rows are written. These never change again, except when an item is erased."""
        return self.filter(state=DatasetVersion.State.WHOLE)


class DatasetVersion(Cause):
    """The labels of a project at one moment. `manifest` is canonical JSON, and `digest` its SHA-256.

    `layers` are the digests of its files: a row in a later file replaces the row of the same item in earlier ones.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "being written"
        WHOLE = "whole"
        FAILED = "failed"

    admin_columns = ("project", "name", "state", "rows", "digest", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="datasets")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="dataset")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100, validators=[RegexValidator(rf"\A{NAME}\Z", NAME_RULE)])
    note = models.CharField(max_length=1000, blank=True)
    filters = models.JSONField(default=dict, help_text="Of the rows, as in the address of an export.")
    automatic = models.BooleanField(default=False, help_text="Made for a training.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    digest = models.CharField(max_length=64, blank=True)
    manifest = models.TextField(blank=True)
    layers = models.JSONField(default=list)
    rows = models.PositiveBigIntegerField(default=0)
    read_at = models.DateTimeField(null=True, help_text="When the reading of its rows began.")
    replaced = models.JSONField(
        default=list, help_text="Earlier digests: items were erased. Each with the time, the items and the reasons."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="dataset_number_unique"),
            models.UniqueConstraint(fields=["project", "name"], name="dataset_name_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.project} {self.name}"

    def step_failed(self, reason: str) -> None:
        DatasetVersion.objects.filter(pk=self.pk).update(state=self.State.FAILED, reason=reason[:500])
