"""Invitations to a project: the forms that make them, their links, and the page of the account that gets one."""

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

from labeling.models import Ability, Invitation, Membership, Project, Role, User
from labeling.models.roles import ROLES, offered
from labeling.projects.people import invitations
from labeling.projects.people.invisible import isolated
from labeling.projects.people.invitations import InvitationOver
from labeling.projects.people.members import ProjectFull
from labeling.web.gate.proxies import names_this_machine
from labeling.web.shared.forms import figure_input
from labeling.web.shared.pages import for_people
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
        try:
            values["names"] = invitations.read_names(values.get("names", ""), accounts=values["to_accounts"]) or [""]
        except ValidationError as error:
            self.add_error("names", error)
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


def make(request: HttpRequest, membership: Membership, form: NamesForm | SharedForm) -> dict[str, Any] | None:
    """Make the invitations of a valid form; what the page shows of them, or None with the reason in the form."""
    values = dict(form.cleaned_data)
    names = values.pop("names", [""])
    try:
        made = invitations.invite_each(project=membership.project, user=membership.user, names=names, **values)
    except ValidationError as error:
        form.add_error("limit" if "limit" in values else "names" if any(names) else "role", error)
        return None
    return shown(request, made)


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
