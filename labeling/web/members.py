"""The door of a project's pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from labeling import access
from labeling.models import Membership

MemberView = Callable[Concatenate[HttpRequest, Membership, ...], HttpResponse]


def for_members(ability: str = access.MEMBER) -> Callable[[MemberView], Callable[..., HttpResponse]]:
    """Make a view of `(request, membership)` one of `(request, slug)`.

    Whoever is signed out is sent to the sign-in page, a stranger sees that there is no such page (404), and a member
    without the ability is told who may (403).
    """

    def decorate(view: MemberView) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponse:
            membership = access.membership_of(request.user, slug)
            access.require(membership, ability)
            return view(request, membership, **kwargs)

        return guarded

    return decorate
