"""The access check of a project's pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from labeling.intake import uploads
from labeling.models import Ability, Membership, Project
from labeling.projects.people import access

SAFE = ("GET", "HEAD")

MemberView = Callable[Concatenate[HttpRequest, Membership, ...], HttpResponse]


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


def with_files(request: HttpRequest, project: Project, view: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    """Return the response of a view that stores uploaded files; the files are stored after the CSRF check.

    The view is exempt from the check of forms that Django makes in front of all views: that check reads the whole form
    before the abilities are known. The same check is made here instead.
    """
    uploads.admit(request, project, proven=False)
    return csrf_protect(view)(request)
