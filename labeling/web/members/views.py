"""The page of the members and their roles, and of invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache

from labeling.models import Ability, Membership, Role
from labeling.models.accounts import MAX_DAILY_LIMIT, MAX_GROUP
from labeling.projects.limits import MEMBERS
from labeling.projects.people import members as memberships
from labeling.projects.people.invitations import InvitationOver, renew, withdraw
from labeling.queue import gold
from labeling.web.members import invitations
from labeling.web.members.invitations import NamesForm, SharedForm
from labeling.web.shared.pages import for_members, render_page
from labeling.web.shared.words import number


class WorkForm(forms.Form):
    """A member's role, group and daily limit."""

    role = forms.ChoiceField(choices=Role.choices)
    group = forms.CharField(required=False, max_length=MAX_GROUP)
    daily_limit = forms.IntegerField(required=False, min_value=1, max_value=MAX_DAILY_LIMIT)


@never_cache
@for_members(reading=Ability.MEMBERS_READ, changing=Ability.MEMBERS_CHANGE)
def members(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the members and the open invitations, or create invitations. Only the response that creates them shows the
    links.
    """
    names, shared = NamesForm(), SharedForm(prefix="shared")
    form: NamesForm | SharedForm = names
    if "shared-limit" in request.POST:
        form = shared = SharedForm(request.POST, prefix="shared")
    elif request.method == "POST":
        form = names = NamesForm(request.POST)
    made = invitations.make(request, membership, form) if form.is_valid() else None
    if made:
        return _page(request, membership, NamesForm(), SharedForm(prefix="shared"), made)
    return _page(request, membership, names, shared)


def _page(
    request: HttpRequest,
    membership: Membership,
    names: NamesForm,
    shared: SharedForm,
    made: dict[str, Any] | None = None,
) -> HttpResponse:
    people = membership.project.memberships.select_related("user").order_by("user__username")
    context: dict[str, Any] = {
        "members": [{"row": each, "works": each.can(Ability.TASKS_ANSWER)} for each in people],
        "limit": MEMBERS.allowed(membership.project.member_limit),
        "invitations": invitations.open_ones(membership),
        "is_member": membership.pk is not None,  # others manage it by being superusers, and have nothing to hand over
        "roles": Role.choices,
        "form": names,
        "shared": shared,
        "made": made,
    }
    return render_page(request, membership, "project/members.html", context, section="project-members")


@never_cache
@for_members(changing=Ability.MEMBERS_CHANGE)
def renew_invitation(request: HttpRequest, membership: Membership, invitation_id: int) -> HttpResponse:
    """Replace the link of an open invitation. Only this response shows the new link."""
    invitation = get_object_or_404(membership.project.invitations, pk=invitation_id)
    try:
        token = renew(invitation)
    except InvitationOver:
        messages.error(request, gettext("This invitation is no longer open: it was used, withdrawn or has expired."))
        return redirect("project-members", membership.project.slug)
    made = invitations.shown(request, [(invitation, token)])
    return _page(request, membership, NamesForm(), SharedForm(prefix="shared"), made)


@for_members(changing=Ability.MEMBERS_CHANGE)
def withdraw_invitation(request: HttpRequest, membership: Membership, invitation_id: int) -> HttpResponse:
    """Withdraw an open invitation."""
    invitation = get_object_or_404(membership.project.invitations, pk=invitation_id)
    if withdraw(project=membership.project, invitation_id=invitation.pk):
        messages.success(request, gettext("The invitation is withdrawn. Its link no longer works."))
    else:
        messages.error(request, gettext("This invitation is no longer open: it was used, withdrawn or has expired."))
    return redirect("project-members", membership.project.slug)


@for_members(changing=Ability.MEMBERS_CHANGE)
def change_role(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Change a member's role, group or daily limit."""
    member = _member(membership, username)
    form, still = WorkForm(request.POST), True
    try:
        if not form.is_valid():
            raise ValidationError(
                gettext("Choose a role, a group of at most %(letters)s letters, and a limit from 1 to %(most)s.")
                % {"letters": MAX_GROUP, "most": number(MAX_DAILY_LIMIT)}
            )
        member = memberships.set_role(project=membership.project, user=member.user, role=form.cleaned_data["role"])
        memberships.set_work(
            membership=member, group=form.cleaned_data["group"], daily_limit=form.cleaned_data["daily_limit"]
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(
            request,
            gettext("%(username)s is now %(role)s.")
            % {"username": username, "role": gettext(form.cleaned_data["role"])},
        )
        # A manager without the role any more may not see the list.
        still = member.user_id != membership.user.pk or member.can(Ability.MEMBERS_READ)
    return redirect("project-members" if still else "project", membership.project.slug)


@for_members(changing=Ability.MEMBERS_CHANGE)
def pause_member(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Pause a member, or end the member's pause."""
    member = _member(membership, username)
    if member.paused_at is not None:
        gold.let_go_on(member)
        messages.success(
            request,
            gettext("%(username)s gets items again. Gold items are counted afresh from now on.")
            % {"username": username},
        )
    elif gold.pause(member, f"Paused by {membership.user.username}.", by=membership.user):
        messages.success(
            request,
            gettext("%(username)s gets no more items until a manager lets them go on.") % {"username": username},
        )
    return redirect("project-members", membership.project.slug)


@for_members(reading=Ability.MEMBERS_CHANGE, changing=Ability.MEMBERS_CHANGE)
def remove_member(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Ask for confirmation (GET), then remove the member (POST). The member's answers stay."""
    member = _member(membership, username)
    if request.method != "POST":
        context = {"member": member, "own": member.user_id == membership.user.pk}
        return render_page(request, membership, "project/member_remove.html", context, section="project-members")
    try:
        memberships.remove_member(project=membership.project, user=member.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("project-members", membership.project.slug)
    messages.success(
        request,
        gettext("%(username)s is no longer a member of %(name)s.")
        % {"username": username, "name": membership.project.name},
    )
    if member.user_id == membership.user.pk:
        return redirect("home")
    return redirect("project-members", membership.project.slug)


def _member(membership: Membership, username: str) -> Membership:
    people = membership.project.memberships.select_related("user", "project")
    return get_object_or_404(people, user__username=username)
