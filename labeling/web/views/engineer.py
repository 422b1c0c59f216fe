"""What engineers take out: models and labels."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from labeling import access
from labeling.exports import FORMATS, count_rows
from labeling.models import Membership
from labeling.status import models_of
from labeling.web.curve import accuracy_of
from labeling.web.export_columns import MEANINGS
from labeling.web.members import for_members
from labeling.web.pages import render_page
from labeling.web.words import count, duration, moment

# What each format is for, the best one first.
FORMAT_NOTES = {
    "parquet": ("Parquet", "typed and compact: the best choice for programs"),
    "jsonl": ("JSONL", "one JSON object a line"),
    "csv": ("CSV", "for spreadsheets and people"),
}


@require_safe
@for_members(access.EXPORT)
def models(request: HttpRequest, membership: Membership) -> HttpResponse:
    """All versions, the newest first, with their accuracy and where they come from."""
    now = timezone.now()
    measured = {model["version"]: accuracy_of(model) for model in models_of(membership.project)}
    versions = membership.project.versions.select_related("batch", "parent").order_by("-number")
    rows: list[dict[str, Any]] = [
        {
            "version": version,
            "accuracy": measured.get(version.number),
            "took": duration(version.seconds),
            "created": moment(version.created_at, now),
            "url": reverse("api:model-artifact", args=[membership.project.slug, version.number]),
        }
        for version in versions
    ]
    return render_page(request, membership, "project/models.html", {"rows": rows}, section="project-models")


@require_safe
@for_members(access.EXPORT)
def export(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The form that downloads labels from the API, and what is in the files."""
    project = membership.project
    labeled = count_rows(project)
    context = {
        "labeled": labeled and count(labeled, "row"),
        "batches": list(project.batches.exclude(size=0).order_by("-number").values_list("number", flat=True)),
        "formats": [(name, *FORMAT_NOTES.get(name, (name, ""))) for name in sorted(FORMATS, key=_place)],
        "columns": MEANINGS,
        "url": reverse("api:export", args=[project.slug]),
        "origin": request.build_absolute_uri("/").rstrip("/"),
    }
    return render_page(request, membership, "project/export.html", context, section="project-export")


def _place(name: str) -> int:
    known = list(FORMAT_NOTES)
    return known.index(name) if name in known else len(known)
