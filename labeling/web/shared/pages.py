"""What all pages of a project share: the way from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from labeling import kinds
from labeling.models import Membership


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    title: str
    allowed: Callable[[Membership], bool]


def _everybody(membership: Membership) -> bool:
    return True


SECTIONS = (
    Section("project", "Overview", _everybody),
    Section("label", "Label", lambda membership: membership.may_annotate and not membership.project.archived_at),
    Section("project-batches", "Batches", _everybody),
    Section("project-review", "Review", lambda membership: membership.may_review),
    Section("project-items", "Items", lambda membership: membership.may_read_items),
    Section("project-progress", "Progress", lambda membership: membership.may_export),
    Section("project-models", "Models", lambda membership: membership.may_export),
    Section("project-privacy", "Privacy", lambda membership: membership.may_export),
    Section("project-export", "Export", lambda membership: membership.may_export),
    Section("project-import", "Import", lambda membership: membership.may_manage),
    Section("project-members", "Members", lambda membership: membership.may_manage),
    Section("project-settings", "Settings", lambda membership: membership.may_manage),
)


@dataclass(frozen=True, slots=True)
class Way:
    title: str
    url: str
    current: bool


def render_page(
    request: HttpRequest,
    membership: Membership,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    section: str,
    status: int = 200,
) -> HttpResponse:
    """A page of the project, below `section` (the name of its address); only ways that the member may go are shown."""
    ways = [
        Way(each.title, reverse(each.name, args=[membership.project.slug]), each.name == section)
        for each in SECTIONS
        if each.allowed(membership)
    ]
    project = membership.project
    shared = {"project": project, "kind": kinds.of(project), "membership": membership, "ways": ways}
    return render(request, template, {**shared, **(context or {})}, status=status)
