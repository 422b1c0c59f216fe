"""The door of a project's pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from labeling.intake import uploads
from labeling.models import Membership, Project
from labeling.projects import access

SAFE = ("GET", "HEAD", "OPTIONS")

MemberView = Callable[Concatenate[HttpRequest, Membership, ...], HttpResponse]


def for_members(
    ability: str = access.MEMBER, *, takes_files: bool = False, in_archived: bool = False
) -> Callable[[MemberView], Callable[..., HttpResponse]]:
    """Make a view of `(request, membership)` one of `(request, slug)`.

    Whoever is signed out is sent to the sign-in page, a stranger sees that there is no such page (404), and a member
    without the ability is told who may (403). An archived project takes no forms, unless the view is for that
    (`in_archived`). All that is settled before a byte of the body is read.
    """

    def decorate(view: MemberView) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponse:
            try:
                membership = access.membership_of(request.user, slug)
                access.require(membership, ability)
                if request.method not in SAFE and not in_archived:
                    access.require_unarchived(membership)
            except (Http404, PermissionDenied):
                # The page that says so needs no proof of where the request comes from: it would read the body for it.
                request.csrf_processing_done = True  # type: ignore[attr-defined]
                raise
            if takes_files:
                return with_files(request, membership.project, partial(view, membership=membership, **kwargs))
            return view(request, membership, **kwargs)

        return csrf_exempt(guarded) if takes_files else guarded

    return decorate


def with_files(request: HttpRequest, project: Project, view: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    """The answer of a view that takes files for the project. They are stored once the form has proved that it is ours.

    Its address is exempt from the check of forms that Django makes in front of all views: that one reads the whole
    form before anybody can say whose files are taken. The same check is made here instead.
    """
    uploads.admit(request, project, proven=False)
    return csrf_protect(view)(request)
