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
    """A page of every project, by the name of its address, and who may open it."""

    name: str
    title: str
    allowed: Callable[[Membership], bool]


def _everybody(membership: Membership) -> bool:
    return True


def _annotators(membership: Membership) -> bool:
    return membership.may_annotate and not membership.project.archived_at


def _reviewers(membership: Membership) -> bool:
    return membership.may_review


def _item_readers(membership: Membership) -> bool:
    return membership.may_read_items


def _engineers(membership: Membership) -> bool:
    return membership.may_export


def _copy_readers(membership: Membership) -> bool:
    return membership.may_export and membership.project.near_copies > 0


def _managers(membership: Membership) -> bool:
    return membership.may_manage


# What people come for, and the pages below each. A page that is below another belongs to that one's section.
GROUPS: tuple[tuple[str, tuple[Section, ...]], ...] = (
    ("Overview", (Section("project", "Overview", _everybody),)),
    ("Label", (Section("label", "Label", _annotators),)),
    ("Review", (Section("project-review", "Review", _reviewers),)),
    (
        "Progress",
        (
            Section("project-batches", "Batches", _everybody),
            Section("project-progress", "Pace and people", _engineers),
            Section("project-agreement", "Agreement", _engineers),
            Section("project-copies", "Near-copies", _copy_readers),
        ),
    ),
    (
        "Data",
        (
            Section("project-items", "Items", _item_readers),
            Section("project-import", "Import", _managers),
            Section("project-export", "Export", _engineers),
        ),
    ),
    (
        "Models",
        (
            Section("project-models", "Versions", _engineers),
            Section("project-privacy", "Privacy", _engineers),
        ),
    ),
    (
        "Settings",
        (
            Section("project-settings", "General", _managers),
            Section("project-classes", "Classes", _managers),
            Section("project-members", "Members", _managers),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the navigation. `current` as `aria-current` has it: "page", "true" for the group of the page, or ""."""

    title: str
    url: str
    current: str


def ways_of(membership: Membership, section: str) -> tuple[list[Way], list[Way]]:
    """The groups that this member may open, each by its first page, and the pages of the present one, if several."""
    slug = membership.project.slug
    groups: list[Way] = []
    pages: list[Way] = []
    for title, sections in GROUPS:
        allowed = [each for each in sections if each.allowed(membership)]
        if not allowed:
            continue
        names = [each.name for each in allowed]
        current = "" if section not in names else "page" if section == names[0] else "true"
        groups.append(Way(title, reverse(names[0], args=[slug]), current))
        if current and len(allowed) > 1:
            pages = [
                Way(each.title, reverse(each.name, args=[slug]), "page" if each.name == section else "")
                for each in allowed
            ]
    return groups, pages


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
    project = membership.project
    ways, pages = ways_of(membership, section)
    shared = {"project": project, "kind": kinds.of(project), "membership": membership, "ways": ways, "pages": pages}
    return render(request, template, {**shared, **(context or {})}, status=status)
