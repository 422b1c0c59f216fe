"""The pages of the members and their roles, and of invitations: their forms, their links, and who gets one."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache

from labeling.models import Ability, Invitation, Membership, Project, Role, User
from labeling.models.accounts import MAX_DAILY_LIMIT, MAX_GROUP
from labeling.models.roles import ROLES, offered
from labeling.projects.limits import MEMBERS
from labeling.projects.people import invitations
from labeling.projects.people import members as memberships
from labeling.projects.people.invisible import isolated
from labeling.projects.people.invitations import InvitationOver, renew, withdraw
from labeling.projects.people.members import ProjectFull
from labeling.queue import gold
from labeling.web.gate.proxies import names_this_machine
from labeling.web.shared.forms import ErrorsInForm, figure_input
from labeling.web.shared.pages import action, errors_as_messages, for_members, for_people, render_page
from labeling.web.shared.words import count, number


class NamesForm(forms.Form):
    """The people to invite, each with a link of their own; without names, one person."""

    names = forms.CharField(
        label=gettext_lazy("Names or addresses"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One name per line, or separated by commas. Each gets a link. If empty, you get one link for one person."
        ),
    )
    to_accounts = forms.BooleanField(
        label=gettext_lazy("These are usernames on this server"),
        required=False,
        help_text=gettext_lazy(
            "Enter them exactly, including capitals. If an account with the name exists, the invitation also "
            "appears on its home page."
        ),
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=lambda: offered(list(Role)), initial=Role.ANNOTATOR)

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values["to_accounts"] and not values.get("names"):
            self.add_error("names", gettext("Enter the usernames."))
        with ErrorsInForm(self, ValidationError, field="names"):
            values["names"] = invitations.read_names(values.get("names", ""), accounts=values["to_accounts"]) or [""]
        return values


class SharedForm(forms.Form):
    """One link for several people."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=lambda: offered(list(Role)), initial=Role.ANNOTATOR)
    limit = forms.IntegerField(
        label=gettext_lazy("People"),
        initial=10,
        min_value=1,
        max_value=invitations.MOST_BY_LINK,
        widget=figure_input(is_whole=True),
        help_text=gettext_lazy("The link stops working once this many people have joined."),
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            format_lazy(
                gettext_lazy("Enter a whole number from 1 to {most}."), most=lazy(number, str)(invitations.MOST_BY_LINK)
            ),
        ),
    )
    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        initial=lambda: (timezone.now() + invitations.LIFETIME).date(),
        widget=forms.DateInput(attrs={"type": "date", "class": "figure"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("The last day on which the link works (UTC)."),
        error_messages=dict.fromkeys(("required", "invalid"), gettext_lazy("Enter a day, such as 2026-03-09.")),
    )

    def clean_last_day(self) -> Any:
        invitations.expiry(self.cleaned_data["last_day"], timezone.now())
        return self.cleaned_data["last_day"]


def invite(request: HttpRequest, membership: Membership, form: NamesForm | SharedForm) -> dict[str, Any] | None:
    """Make the invitations of a valid form; what the page shows of them, or None with the reason in the form."""
    values = dict(form.cleaned_data)
    names = values.pop("names", [""])
    field = "limit" if "limit" in values else "names" if any(names) else "role"
    with ErrorsInForm(form, ValidationError, field=field):
        made = invitations.invite_each(project=membership.project, user=membership.user, names=names, **values)
        return shown(request, made)
    return None


def shown(request: HttpRequest, made: list[tuple[Invitation, str]]) -> dict[str, Any]:
    """The links of new invitations, which the page shows this once."""
    first, _ = made[0]
    links = [{"name": each.name, "url": invitations.deliver(token, request.build_absolute_uri)} for each, token in made]
    return {
        "links": links,
        "text": "\n".join(f"{link['name']}\t{link['url']}" for link in links),
        "role": gettext(first.role),
        "limit": first.limit,
        "until": first.expires_at,
        "to_accounts": first.to_account,
        "on_this_machine": names_this_machine(request),
    }


def open_ones(membership: Membership) -> list[dict[str, Any]]:
    """The open invitations to the project, the newest first. One query."""
    rows = membership.project.invitations.open().select_related("invited_by").order_by("-pk")
    return [{"row": each, "whom": _whom(each)} for each in rows]


def _whom(invitation: Invitation) -> str:
    if invitation.limit == 1:
        return invitation.name or gettext("One person")
    return gettext("%(people)s, %(used)s joined") % {
        "people": count(invitation.limit, "person", "people"),
        "used": invitation.used,
    }


def of_account(user: User) -> list[dict[str, Any]]:
    """The invitations that the user's home page shows. One query."""
    rows = Invitation.objects.addressed_to(user).select_related("project").order_by("pk")
    return [{"row": each, "offer": gettext(ROLES[each.role].offer)} for each in rows]


@for_people("POST")
def answer_invitation(request: HttpRequest, user: User, invitation_id: int) -> HttpResponse:
    """Join the project that the user's account is invited to, or decline."""
    open_ones = Invitation.objects.addressed_to(user).select_related("project")
    invitation = get_object_or_404(open_ones, pk=invitation_id)
    name = isolated(invitation.project.name)
    if "decline" in request.POST:
        Invitation.objects.filter(pk=invitation.pk).update(declined_at=timezone.now())
        messages.success(request, gettext("You have declined the invitation to %(name)s.") % {"name": name})
        return redirect("home")
    try:
        membership = invitations.join(invitation=invitation, user=user)
    except InvitationOver:
        over = gettext("The invitation to %(name)s is over. Ask a manager of the project for a new one.")
        messages.error(request, over % {"name": name})
        return redirect("home")
    except ProjectFull as problem:
        messages.error(request, problem.message)
        return redirect("home")
    return joined(request, invitation.project, membership.role)


def joined(request: HttpRequest, project: Project, role: str) -> HttpResponse:
    """Greet a new member: on the label page if they only answer tasks, else on the overview."""
    values = {"name": isolated(project.name), "role": Role(role).label}
    messages.success(request, gettext("You are in %(name)s. Your role: %(role)s.") % values)
    abilities = ROLES[role].abilities
    labels = Ability.TASKS_ANSWER in abilities and Ability.ITEMS_READ not in abilities
    return redirect("label" if labels and project.archived_at is None else "project", project.slug)


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
    made = invite(request, membership, form) if form.is_valid() else None
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
        "invitations": open_ones(membership),
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
    made = shown(request, [(invitation, token)])
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
