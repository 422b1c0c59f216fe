"""Model versions: what they can do, what they learned from, and their files."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from labeling import access
from labeling.models import Membership
from labeling.status import models_of
from labeling.web.curve import accuracy_of
from labeling.web.members import for_members
from labeling.web.pages import render_page
from labeling.web.words import duration, moment


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
