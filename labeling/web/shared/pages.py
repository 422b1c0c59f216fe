"""The frame of a project's pages with its navigation."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import resolve, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling import kinds
from labeling.models import Ability, DamagedFile, Membership, Project
from labeling.models.files import DamagedFileQuerySet

# How long pages still show a rebuilt file.
REBUILT_SHOWN = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Section:
    """A page in the navigation, by the name of its address. `shown` returns whether the project has the page."""

    name: str
    title: str
    shown: Callable[[Project], bool] = lambda project: True


# Groups of pages by their purpose. A page outside the navigation belongs to the section of its parent page.
GROUPS: tuple[tuple[str, tuple[Section, ...]], ...] = (
    (_("Overview"), (Section("project", _("Overview")),)),
    (_("Label"), (Section("label", _("Label"), lambda project: not project.archived_at),)),
    (_("Review"), (Section("project-review", _("Review")),)),
    (
        _("Batches"),
        (
            Section("project-batches", _("Batches")),
            Section("project-progress", _("Pace and people")),
            Section("project-agreement", _("Agreement")),
            Section("project-copies", _("Near-copies"), lambda project: project.near_copies > 0),
        ),
    ),
    (
        _("Items"),
        (
            Section("project-items", _("Items")),
            Section("project-import", _("Import")),
            Section("project-sources", _("Sources")),
            Section("project-export", _("Export")),
            Section("project-datasets", _("Dataset versions")),
        ),
    ),
    (_("Models"), (Section("project-models", _("Versions")), Section("project-privacy", _("Privacy")))),
    (_("Finish"), (Section("project-finish", _("Finish")),)),
    (
        _("Settings"),
        (
            Section("project-settings", _("General")),
            Section("project-guidelines-edit", _("Guidelines")),
            Section("project-classes", _("Classes")),
            Section("project-webhooks", _("Webhooks")),
            Section("project-manage", _("Archive, copy, delete")),
        ),
    ),
    (_("Members"), (Section("project-members", _("Members")), Section("project-auditlog", _("Audit log")))),
)


@cache
def ability_to_open(name: str) -> Ability:
    """Return the ability that the page at the address with this name asks for, as its view declares it."""
    view = resolve(reverse(name, args=["any"])).func
    ability: Ability = view.abilities["GET"]  # type: ignore[attr-defined]  # set by `for_members`
    return ability


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
        allowed = [each for each in sections if membership.can(ability_to_open(each.name)) and each.shown(project)]
        if not allowed:
            continue
        names = [each.name for each in allowed]
        current = "" if section not in names else "page" if section == names[0] else "true"
        groups.append(Way(gettext(title), reverse(names[0], args=[project.slug]), current))
        if current and len(allowed) > 1:
            pages = [
                Way(
                    gettext(each.title), reverse(each.name, args=[project.slug]), "page" if each.name == section else ""
                )
                for each in allowed
            ]
    return groups, pages


def render_page(
    request: HttpRequest,
    membership: Membership,
    template: str,
    context: dict[str, Any],
    *,
    section: str,
    status: int | None = None,
) -> HttpResponse:
    """Render a page of the project in `section` (the name of its address), with the links that the member may open.

    Templates ask `can`, by the keys of abilities: `can.members_change`. Without a `status`, it is 400 if a form of the
    context has errors.
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
    if status is None:
        status = 400 if any(isinstance(each, BaseForm) and each.errors for each in context.values()) else 200
    return render(request, template, {**shared, **context}, status=status)


@contextmanager
def errors_as_messages(request: HttpRequest, *kinds_of_errors: type[Exception]) -> Iterator[None]:
    """Show an error of these kinds as a message on the next page, and leave out the rest of the block."""
    try:
        yield
    except kinds_of_errors as error:
        messages.error(request, " ".join(error.messages) if isinstance(error, ValidationError) else str(error))


def damaged_files(project: Project) -> DamagedFileQuerySet:
    """Return the damaged files, and the files that were rebuilt within a day. Annotators do not see them. One query."""
    files = DamagedFile.objects.filter(project=project)
    shown = files.standing() | files.filter(mended_at__gte=timezone.now() - REBUILT_SHOWN)
    return shown.order_by("mended_at", "name")
