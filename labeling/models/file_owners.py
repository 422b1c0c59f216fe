"""Rows that own a file. The quota, the checks of files, monitors and pages treat all such tables alike."""

from pathlib import PurePosixPath
from typing import Any, ClassVar

from django.apps import apps
from django.db import models
from django.db.models import Q, Sum, Value


class FileOwner(models.Model):
    """A row that owns one file below its project's folder. The file's bytes count against the project's limit."""

    noun: ClassVar[str]
    """The name of the files on pages, in `status --json` and in metrics: one word, plural."""
    suffix: ClassVar[str] = ".jsonl"
    whole: ClassVar[Q]
    """The rows whose file must exist, with at least `size` bytes."""
    digest: Any = ""
    """The SHA-256 of the file, in hex; empty if none is stored."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="+")
    size = models.PositiveBigIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def file_name(self) -> PurePosixPath:
        """The path of the file below the project's folder."""
        return PurePosixPath(self.noun, f"{self.pk}{self.suffix}")


def file_owners() -> list[type[FileOwner]]:
    """Return all tables whose rows own files."""
    return [model for model in apps.get_models() if issubclass(model, FileOwner)]


def file_sizes(**lookup: Any) -> list[tuple[str, str, int]]:
    """The slug, the noun and the bytes of the files, for each project and table with rows that match. One query."""
    first, *others = (
        table._default_manager.filter(**lookup)
        .order_by()
        .values("project__slug")
        .annotate(files=Value(table.noun), bytes=Sum("size"))
        .values_list("project__slug", "files", "bytes")
        for table in file_owners()
    )
    return list(first.union(*others, all=True) if others else first)
