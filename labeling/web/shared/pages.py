"""Who may open a page, and the frame of a project's pages with its navigation."""

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial, wraps
from typing import Any, Concatenate

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import resolve, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from labeling import kinds
from labeling.intake import uploads
from labeling.models import Ability, DamagedFile, Membership, Project, User
from labeling.models.files import DamagedFileQuerySet
from labeling.projects.people import access

SAFE = ("GET", "HEAD")

MemberView = Callable[Concatenate[HttpRequest, Membership, ...], HttpResponse]
Change = Callable[Concatenate[HttpRequest, Membership, ...], HttpResponse | str]
PersonView = Callable[Concatenate[HttpRequest, User, ...], HttpResponse]


def for_members(
    *,
    reading: Ability | None = None,
    changing: Ability | None = None,
    takes_files: bool = False,
    in_archived: bool = False,
) -> Callable[[MemberView], Callable[..., HttpResponse]]:
    """Turn a view of `(request, membership)` into a view of `(request, slug)`.

    `reading` is the ability that GET and HEAD ask for, `changing` that of POST. A method without an ability is not
    allowed (405). People who are signed out go to the sign-in page, for a stranger there is no such page (404), and a
    member without the ability reads who has it (403). An archived project takes no forms, unless the view is for
    archived ones (`in_archived`). All checks come before the first byte of the body is read.
    """
    abilities = {**({"GET": reading, "HEAD": reading} if reading else {}), **({"POST": changing} if changing else {})}

    def decorate(view: MemberView) -> Callable[..., HttpResponse]:
        @require_http_methods(list(abilities))
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponse:
            try:
                membership = access.membership_of(request.user, slug)
                access.require(membership, abilities[request.method or ""])
                if request.method not in SAFE and not in_archived:
                    access.require_unarchived(membership)
            except (Http404, PermissionDenied):
                # The refusal needs no CSRF check, which would read the body.
                request.csrf_processing_done = True  # type: ignore[attr-defined]
                raise
            if takes_files:
                return with_files(request, membership.project, partial(view, membership=membership, **kwargs))
            return view(request, membership, **kwargs)

        guarded.abilities = abilities  # type: ignore[attr-defined]  # for the tests
        return csrf_exempt(guarded) if takes_files else guarded

    return decorate


def action(
    changing: Ability, page: str, *keys: str, refused: tuple[type[Exception], ...] = (), in_archived: bool = False
) -> Callable[[Change], Callable[..., HttpResponse]]:
    """Turn a change of `(request, membership)` into a view of `(request, slug)` that takes POST, as of a button.

    The change returns what was done, in words. They are shown, or an error of the kinds `refused` instead, as a message
    on the project's page with the name `page`; `keys` name the view's arguments in that page's address. A change that
    leads to another page returns a response.
    """

    def decorate(change: Change) -> Callable[..., HttpResponse]:
        @for_members(changing=changing, in_archived=in_archived)
        @wraps(change)
        def view(request: HttpRequest, membership: Membership, **kwargs: Any) -> HttpResponse:
            with errors_as_messages(request, *refused):
                done = change(request, membership, **kwargs)
                if isinstance(done, HttpResponse):
                    return done
                if done:
                    messages.success(request, done)
            return redirect(page, membership.project.slug, *(kwargs[key] for key in keys))

        return view

    return decorate


def for_people(*methods: str) -> Callable[[PersonView], Callable[..., HttpResponse]]:
    """Turn a view of `(request, user)` into a view of `(request)` that takes these methods, outside of projects.

    People who are signed out go to the sign-in page.
    """

    def decorate(view: PersonView) -> Callable[..., HttpResponse]:
        @require_http_methods(list(methods))
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            assert isinstance(request.user, User)
            return view(request, request.user, **kwargs)

        return guarded

    return decorate


def with_files(
    request: HttpRequest, project: Project | None, view: Callable[[HttpRequest], HttpResponse]
) -> HttpResponse:
    """Return the response of a view that stores uploaded files; the files are stored after the CSRF check.

    The view is exempt from the check of forms that Django makes in front of all views: that check reads the whole form
    before the abilities are known. The same check is made here instead.
    """
    uploads.admit(request, project, proven=False)
    return csrf_protect(view)(request)


# How long pages still show a rebuilt file.
REBUILT_SHOWN = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Section:
    """A page in the navigation, by the name of its address. `shown` returns whether the project has the page."""

    name: str
    title: str
    shown: Callable[[Project], bool] = lambda project: True


# The places of a project, each with its pages. A page outside the navigation belongs to the section of its parent page.
PLACES: tuple[tuple[str, tuple[Section, ...]], ...] = (
    (_("Home"), (Section("project", _("Overview")), Section("project-finish", _("Finish")))),
    (
        _("Data"),
        (
            Section("project-items", _("Items")),
            Section("project-import", _("Import")),
            Section("project-sources", _("Sources")),
            Section("project-export", _("Export")),
            Section("project-datasets", _("Dataset versions")),
        ),
    ),
    (_("Review"), (Section("project-review", _("Review")),)),
    (
        _("Insights"),
        (
            Section("project-batches", _("Batches")),
            Section("project-progress", _("Pace and people")),
            Section("project-agreement", _("Agreement")),
            Section("project-copies", _("Near-copies"), lambda project: project.near_copies > 0),
        ),
    ),
    (_("Models"), (Section("project-models", _("Versions")), Section("project-privacy", _("Privacy")))),
    (
        _("Settings"),
        (
            Section("project-settings", _("General")),
            Section("project-classes", _("Classes")),
            Section("project-guidelines-edit", _("Guidelines")),
            Section("project-members", _("Members")),
            Section("project-webhooks", _("Webhooks")),
            Section("project-auditlog", _("Audit log")),
            Section("project-manage", _("Archive, copy, delete")),
        ),
    ),
)


@cache
def ability_to_open(name: str) -> Ability:
    """Return the ability that the page at the address with this name asks for, as its view declares it."""
    view = resolve(reverse(name, args=["any"])).func
    ability: Ability = view.abilities["GET"]  # type: ignore[attr-defined]  # set by `for_members`
    return ability


def may_open(membership: Membership, section: Section) -> bool:
    """Return whether the project has the page, and the member may open it."""
    return membership.can(ability_to_open(section.name)) and section.shown(membership.project)


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the navigation. `current`, for `aria-current`: "page", "true" for the page's place, or ""."""

    title: str
    url: str
    current: str


def ways_of(membership: Membership, section: str) -> tuple[list[Way], list[Way]]:
    """Return the places that the member may open, and the pages of the current place, if several."""
    project = membership.project
    places: list[Way] = []
    pages: list[Way] = []
    for title, sections in PLACES:
        allowed = [each for each in sections if may_open(membership, each)]
        if not allowed:
            continue
        names = [each.name for each in allowed]
        current = "" if section not in names else "page" if section == names[0] else "true"
        places.append(Way(gettext(title), reverse(names[0], args=[project.slug]), current))
        if current and len(allowed) > 1:
            pages = [
                Way(
                    gettext(each.title), reverse(each.name, args=[project.slug]), "page" if each.name == section else ""
                )
                for each in allowed
            ]
    return places, pages


def render_page(
    request: HttpRequest,
    membership: Membership,
    template: str,
    context: dict[str, Any],
    *,
    section: str,
    status: int | None = None,
) -> HttpResponse:
    """Render a page of the project in `section` (the name of its address, or "label"), with the links that the member
    may open.

    Templates ask `can`, by the keys of abilities: `can.members_change`. Without a `status`, it is 400 if a form of the
    context has errors.
    """
    project = membership.project
    places, pages = ways_of(membership, section)
    shared = {
        "project": project,
        "kind": kinds.of(project),
        "membership": membership,
        "can": {ability.key: True for ability in membership.abilities},
        "ways": places,
        "pages": pages,
        "section": section,
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
