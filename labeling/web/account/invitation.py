"""The page of an invitation's link. GET changes nothing, because chat programs open links by themselves."""

import re

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from labeling.models import Invitation, User
from labeling.models.roles import ROLES
from labeling.projects.people import access, invitations
from labeling.projects.people.invitations import InvitationOver
from labeling.projects.people.members import ProjectFull
from labeling.web.account.provider import provider_name
from labeling.web.account.views import AccountForm
from labeling.web.gate import sessions
from labeling.web.members import joined


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters()
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join the project with one click, or with a new account. Used, withdrawn and unknown links give the same page."""
    open_invitation = invitations.find(token)
    if open_invitation is None:
        return _over(request)
    try:
        if isinstance(request.user, User):
            return _with_account(request, open_invitation, request.user)
        if settings.LOGIN_HEADER:
            return _named_by_proxy(request, open_invitation)
        return _new_person(request, open_invitation)
    except InvitationOver:
        return _over(request)


def _with_account(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    present = access.find_membership(user, invitation.project.slug)
    if request.method != "POST":
        role = present.get_role_display() if present else ""
        return _page(request, invitation, present_role=role)
    try:
        membership = present or invitations.join(invitation=invitation, user=user)
    except ProjectFull as problem:
        return _page(request, invitation, full=problem.message, status=400)
    return joined(request, invitation.project, membership.role)


def _new_person(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = AccountForm(request.POST if request.method == "POST" else None, initial={"username": _username(invitation)})
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        try:
            user = invitations.create_account(
                invitation=invitation, username=values["username"], password=values["password1"]
            )
        except ProjectFull as problem:
            return _page(request, invitation, form=form, full=problem.message, status=400)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            response = joined(request, invitation.project, invitation.role)
            sessions.remember(request, response, user)
            return response
    return _page(request, invitation, form=form, status=400 if form.is_bound else 200)


def _username(invitation: Invitation) -> str:
    """Return the username that suits the invited name: "ann.lee" for "Ann Lee" and for "ann.lee@example.org"."""
    name = invitation.name.split("@")[0].strip().lower()
    return re.sub(r"[^\w.+-]", "", re.sub(r"\s+", ".", name))[:150]


def _named_by_proxy(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """Create an account under the name that the login provider sent, and join the project with it."""
    name = User.normalize_username(getattr(request, "named_by_proxy", "").strip())
    if request.method != "POST":
        return _page(request, invitation, named_by_proxy=name)
    if not name:
        return redirect_to_login(request.path)
    try:
        user = invitations.create_account(invitation=invitation, username=name, password=None)
    except ProjectFull as problem:
        return _page(request, invitation, named_by_proxy=name, full=problem.message, status=400)
    except ValidationError:
        return _page(request, invitation, named_by_proxy=name, refused=True, status=400)
    login(request, user, backend="labeling.web.gate.proxies.HeaderBackend")
    return joined(request, invitation.project, invitation.role)


def _page(request: HttpRequest, invitation: Invitation, *, status: int = 200, **context: object) -> HttpResponse:
    shared = {
        "provider": provider_name(),
        "project": invitation.project,
        "offer": gettext(ROLES[invitation.role].offer),
    }
    return render(request, "invitation/join.html", {**shared, **context}, status=status)


def _over(request: HttpRequest) -> HttpResponse:
    return render(request, "invitation/over.html", status=404)
