"""The frame of a project's pages with its navigation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from labeling import kinds
from labeling.models import Ability, Membership, Project


@dataclass(frozen=True, slots=True)
class Section:
    """A page in the navigation, by the name of its address, with the ability that opens it.

    `shown` returns whether the project has the page.
    """

    name: str
    title: str
    ability: Ability
    shown: Callable[[Project], bool] = lambda project: True


# Groups of pages by their purpose. A page outside the navigation belongs to the section of its parent page.
GROUPS: tuple[tuple[str, tuple[Section, ...]], ...] = (
    ("Overview", (Section("project", "Overview", Ability.PROJECT_READ),)),
    ("Label", (Section("label", "Label", Ability.TASKS_ANSWER, lambda project: not project.archived_at),)),
    ("Review", (Section("project-review", "Review", Ability.REVIEW_READ),)),
    (
        "Batches",
        (
            Section("project-batches", "Batches", Ability.PROJECT_READ),
            Section("project-progress", "Pace and people", Ability.BATCHES_READ),
            Section("project-agreement", "Agreement", Ability.LABELS_READ),
            Section("project-copies", "Near-copies", Ability.LABELS_READ, lambda project: project.near_copies > 0),
        ),
    ),
    (
        "Items",
        (
            Section("project-items", "Items", Ability.ITEMS_READ),
            Section("project-import", "Import", Ability.IMPORTS_READ),
            Section("project-sources", "Sources", Ability.SOURCES_CHANGE),
            Section("project-export", "Export", Ability.LABELS_READ),
            Section("project-datasets", "Dataset versions", Ability.LABELS_READ),
        ),
    ),
    (
        "Models",
        (
            Section("project-models", "Versions", Ability.MODELS_READ),
            Section("project-privacy", "Privacy", Ability.MODELS_READ),
        ),
    ),
    ("Finish", (Section("project-finish", "Finish", Ability.BATCHES_READ),)),
    (
        "Settings",
        (
            Section("project-settings", "General", Ability.SETTINGS_READ),
            Section("project-guidelines-edit", "Guidelines", Ability.SETTINGS_READ),
            Section("project-classes", "Classes", Ability.SETTINGS_READ),
            Section("project-webhooks", "Webhooks", Ability.WEBHOOKS_CHANGE),
            Section("project-manage", "Archive, copy, delete", Ability.SETTINGS_READ),
        ),
    ),
    (
        "Members",
        (
            Section("project-members", "Members", Ability.MEMBERS_READ),
            Section("project-auditlog", "Audit log", Ability.AUDITLOG_READ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the navigation. `current` is the value of `aria-current`: "page", "true" for the page's group, or
    "".
    """

    title: str
    url: str
    current: str


def ways_of(membership: Membership, section: str) -> tuple[list[Way], list[Way]]:
    """Return the groups that this member may open, each with its first page, and the pages of the current group, if
    several.
    """
    project = membership.project
    groups: list[Way] = []
    pages: list[Way] = []
    for title, sections in GROUPS:
        allowed = [each for each in sections if membership.can(each.ability) and each.shown(project)]
        if not allowed:
            continue
        names = [each.name for each in allowed]
        current = "" if section not in names else "page" if section == names[0] else "true"
        groups.append(Way(title, reverse(names[0], args=[project.slug]), current))
        if current and len(allowed) > 1:
            pages = [
                Way(each.title, reverse(each.name, args=[project.slug]), "page" if each.name == section else "")
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
    """Render a page of the project in `section` (the name of its address), with the links that the member may open.

    Templates ask `can`, by the keys of abilities: `can.members_change`.
    """
    project = membership.project
    ways, pages = ways_of(membership, section)
    shared = {
        "project": project,
        "kind": kinds.of(project),
        "membership": membership,
        "can": {ability.key: True for ability in membership.abilities},
        "ways": ways,
        "pages": pages,
    }
    return render(request, template, {**shared, **(context or {})}, status=status)
