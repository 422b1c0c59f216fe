"""The page of the members and their roles, and of invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from labeling.answering import gold
from labeling.models import Ability, Membership, Role
from labeling.models.people import MAX_DAILY_LIMIT, MAX_GROUP
from labeling.models.roles import offered
from labeling.projects import invitations
from labeling.projects import members as memberships
from labeling.web.shared.pages import render_page
from labeling.web.shared.permissions import for_members
from labeling.web.shared.words import moment


class RoleForm(forms.Form):
    """The role of a member, or of a person to invite."""

    role = forms.ChoiceField(choices=offered(list(Role)), initial=Role.ANNOTATOR)


class WorkForm(RoleForm):
    """A member's role, group and daily limit."""

    group = forms.CharField(required=False, max_length=MAX_GROUP)
    daily_limit = forms.IntegerField(required=False, min_value=1, max_value=MAX_DAILY_LIMIT)


@never_cache
@for_members(reading=Ability.MEMBERS_READ, changing=Ability.MEMBERS_CHANGE)
def members(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the members and the open invitations, or create an invitation. Only the response that creates it shows its
    link.
    """
    form = RoleForm(request.POST) if request.method == "POST" else RoleForm()
    link = _invite(request, membership, form) if form.is_bound and form.is_valid() else None
    now = timezone.now()
    people = membership.project.memberships.select_related("user").order_by("user__username")
    open_invitations = membership.project.invitations.open().select_related("invited_by").order_by("-pk")
    context: dict[str, Any] = {
        "members": [
            {
                "user": each.user,
                "role": each.role,
                "row": each,
                "works": each.can(Ability.TASKS_ANSWER),
                "since": moment(each.created_at, now),
                "paused": moment(each.paused_at, now),
            }
            for each in people
        ],
        "invitations": [{"row": each, "until": moment(each.expires_at, now)} for each in open_invitations],
        "is_member": membership.pk is not None,  # others manage it by being superusers, and have nothing to hand over
        "roles": Role.choices,
        "form": form if form.errors else RoleForm(),
        "link": link,
    }
    status = 400 if form.errors else 200
    return render_page(request, membership, "project/members.html", context, section="project-members", status=status)


def _invite(request: HttpRequest, membership: Membership, form: RoleForm) -> dict[str, str] | None:
    """Create an invitation and return its link and role. Return None, with the reason in the form, if that fails."""
    try:
        invitation, token = invitations.invite(
            project=membership.project, user=membership.user, role=form.cleaned_data["role"]
        )
    except ValidationError as error:
        form.add_error("role", error)
        return None
    url = request.build_absolute_uri(reverse("invitation", args=[token]))
    return {"url": url, "role": invitation.get_role_display().lower()}


@for_members(changing=Ability.MEMBERS_CHANGE)
def withdraw_invitation(request: HttpRequest, membership: Membership, invitation_id: int) -> HttpResponse:
    """Withdraw an unused invitation."""
    invitation = get_object_or_404(membership.project.invitations, pk=invitation_id)
    if membership.project.invitations.filter(pk=invitation.pk).close():
        messages.success(request, "The invitation is withdrawn. Its link no longer works.")
    else:
        messages.error(request, "This invitation is no longer open: it was used, withdrawn or has expired.")
    return redirect("project-members", membership.project.slug)


@for_members(changing=Ability.MEMBERS_CHANGE)
def change_role(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Change a member's role, group or daily limit."""
    member = _member(membership, username)
    form, still = WorkForm(request.POST), True
    try:
        if not form.is_valid():
            raise ValidationError(
                f"Choose a role, a group of at most {MAX_GROUP} letters, and a limit from 1 to {MAX_DAILY_LIMIT:,}."
            )
        member = memberships.set_role(project=membership.project, user=member.user, role=form.cleaned_data["role"])
        memberships.set_work(
            membership=member, group=form.cleaned_data["group"], daily_limit=form.cleaned_data["daily_limit"]
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, f"{username} is now {form.cleaned_data['role']}.")
        # A manager without the role any more may not see the list.
        still = member.user_id != membership.user.pk or member.can(Ability.MEMBERS_READ)
    return redirect("project-members" if still else "project", membership.project.slug)


@for_members(changing=Ability.MEMBERS_CHANGE)
def pause_member(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Pause a member, or end the member's pause."""
    member = _member(membership, username)
    if member.paused_at is not None:
        gold.let_go_on(member)
        messages.success(request, f"{username} gets items again. Gold items are counted afresh from now on.")
    elif gold.pause(member, f"Paused by {membership.user.username}."):
        messages.success(request, f"{username} gets no more items until a manager lets them go on.")
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
    messages.success(request, f"{username} is no longer a member of {membership.project.name}.")
    if member.user_id == membership.user.pk:
        return redirect("home")
    return redirect("project-members", membership.project.slug)


def _member(membership: Membership, username: str) -> Membership:
    people = membership.project.memberships.select_related("user", "project")
    return get_object_or_404(people, user__username=username)
