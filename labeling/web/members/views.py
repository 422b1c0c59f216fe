"""The page of the members and their roles, and of invitations."""

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
from labeling.web.shared.pages import action, errors_as_messages, for_members, render_page
from labeling.web.shared.words import number


class WorkForm(forms.Form):
    """A member's role, group and daily limit."""

    role = forms.ChoiceField(choices=Role.choices)
    group = forms.CharField(required=False, max_length=MAX_GROUP)
    daily_limit = forms.IntegerField(required=False, min_value=1, max_value=MAX_DAILY_LIMIT)


@never_cache
@for_members(reading=Ability.MEMBERS_READ, changing=Ability.MEMBERS_CHANGE)
def members(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List members and open invitations, or create invitations. Only that response shows the links."""
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
        return _over(request, membership)
    made = invitations.shown(request, [(invitation, token)])
    return _page(request, membership, NamesForm(), SharedForm(prefix="shared"), made)


@action(Ability.MEMBERS_CHANGE, "project-members")
def withdraw_invitation(request: HttpRequest, membership: Membership, invitation_id: int) -> HttpResponse | str:
    """Withdraw an open invitation."""
    invitation = get_object_or_404(membership.project.invitations, pk=invitation_id)
    if not withdraw(project=membership.project, invitation_id=invitation.pk):
        return _over(request, membership)
    return gettext("The invitation is withdrawn. Its link no longer works.")


def _over(request: HttpRequest, membership: Membership) -> HttpResponse:
    messages.error(request, gettext("This invitation is no longer open: it was used, withdrawn or has expired."))
    return redirect("project-members", membership.project.slug)


@action(Ability.MEMBERS_CHANGE, "project-members", refused=(ValidationError,))
def change_role(request: HttpRequest, membership: Membership, username: str) -> HttpResponse | str:
    """Change a member's role, group or daily limit."""
    member = _member(membership, username)
    form = WorkForm(request.POST)
    if not form.is_valid():
        text = gettext("Choose a role, a group of at most %(letters)s letters, and a limit from 1 to %(most)s.")
        raise ValidationError(text % {"letters": MAX_GROUP, "most": number(MAX_DAILY_LIMIT)})
    values = form.cleaned_data
    member = memberships.set_role(project=membership.project, user=member.user, role=values["role"])
    memberships.set_work(membership=member, group=values["group"], daily_limit=values["daily_limit"])
    text = gettext("%(username)s is now %(role)s.") % {"username": username, "role": gettext(values["role"])}
    if member.user_id != membership.user.pk or member.can(Ability.MEMBERS_READ):
        return text
    # A manager without the role any more may not see the list.
    messages.success(request, text)
    return redirect("project", membership.project.slug)


@action(Ability.MEMBERS_CHANGE, "project-members")
def pause_member(request: HttpRequest, membership: Membership, username: str) -> str:
    """Pause a member, or end the member's pause."""
    member = _member(membership, username)
    if member.paused_at is not None:
        gold.let_go_on(member)
        text = gettext("%(username)s gets items again. Gold items are counted afresh from now on.")
    elif gold.pause(member, f"Paused by {membership.user.username}.", by=membership.user):
        text = gettext("%(username)s gets no more items until a manager ends the pause.")
    else:
        return ""
    return text % {"username": username}


@for_members(reading=Ability.MEMBERS_CHANGE, changing=Ability.MEMBERS_CHANGE)
def remove_member(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Ask for confirmation (GET), then remove the member (POST). The member's answers stay."""
    member = _member(membership, username)
    if request.method != "POST":
        context = {"member": member, "own": member.user_id == membership.user.pk}
        return render_page(request, membership, "project/member_remove.html", context, section="project-members")
    with errors_as_messages(request, ValidationError):
        memberships.remove_member(project=membership.project, user=member.user)
        text = gettext("%(username)s is no longer a member of %(name)s.")
        messages.success(request, text % {"username": username, "name": membership.project.name})
        if member.user_id == membership.user.pk:
            return redirect("home")
    return redirect("project-members", membership.project.slug)


def _member(membership: Membership, username: str) -> Membership:
    people = membership.project.memberships.select_related("user", "project")
    return get_object_or_404(people, user__username=username)
