"""Endpoints for the members of a project, their roles, and invitations to join."""

import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.response import Response

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.api.shared.errors import refusals_as_conflicts
from labeling.models import Ability, Invitation, Membership, Role, User
from labeling.models.accounts import MAX_DAILY_LIMIT, MAX_GROUP
from labeling.projects.people import invitations
from labeling.projects.people.invitations import MOST_BY_LINK
from labeling.projects.people.members import remove_member, set_role, set_work
from labeling.queue import gold

NO_MEMBER = "The project has no member with this username."


class MemberSerializer(fields.Shape):
    """A member with the role in the project."""

    username = fields.Text(max_length=150, source="user.username")
    role = fields.Choice(Role.choices)
    paused_at = fields.Time(
        "The time since which the member gets no tasks; null if not paused.", read_only=True, allow_null=True
    )
    pause_reason = fields.Text(read_only=True)
    group = fields.Text(
        "Parts of a batch can be assigned to a group.", required=False, allow_blank=True, max_length=MAX_GROUP
    )
    daily_limit = fields.Integer(
        "Answers a day; null for the project's `daily_limit`.",
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_DAILY_LIMIT,
    )


class MemberList(ProjectView):
    """List the members of the project, by name."""

    @answers(MemberSerializer, needs=Ability.MEMBERS_READ, many=True)
    def get(self) -> QuerySet[Membership]:
        return self.project.memberships.select_related("user").order_by("user__username")

    @answers(MemberSerializer, 201, needs=Ability.MEMBERS_CHANGE, takes=MemberSerializer)
    def post(self) -> Membership:
        """Change a member's role, group and daily limit. A missing field keeps its value.

        Respond with 404 for people who are not members, whether they have an account or not: invite them. Superusers
        may also add any account as a member, up to the limit of members (`PROJECT_MEMBERS`): then respond with 409.
        """
        values, username = self.body, self.body["user"]["username"]
        people = (
            User.objects.all() if self.user.is_superuser else User.objects.filter(memberships__project=self.project)
        )
        user = find_or_404(people, f"{NO_MEMBER} Invite people with POST invitations/.", username=username)
        with refusals_as_conflicts():
            membership = set_role(project=self.project, user=user, role=values["role"])
        set_work(
            membership=membership,
            group=values.get("group", membership.group),
            daily_limit=values.get("daily_limit", membership.daily_limit),
        )
        return membership


class MemberPause(ProjectView):
    """A pause of a member, who cannot claim tasks meanwhile."""

    @answers(MemberSerializer, needs=Ability.MEMBERS_CHANGE)
    def post(self, username: str) -> Membership:
        """Pause a member and release the member's tasks to other annotators. Answers that the member still sends are
        accepted.
        """
        gold.pause(self._member(username), f"Paused by {self.user.username}.", by=self.user)
        return self._member(username)

    @answers(MemberSerializer, needs=Ability.MEMBERS_CHANGE)
    def delete(self, username: str) -> Membership:
        """End a member's pause. The count of wrong gold items starts at zero again."""
        gold.let_go_on(self._member(username))
        return self._member(username)

    def _member(self, username: str) -> Membership:
        people = self.project.memberships.select_related("user", "project")
        return find_or_404(people, NO_MEMBER, user__username=username)


class MemberDetail(ProjectView):
    """Remove a member. The member's answers stay. Respond with 409 for the last manager."""

    @answers(needs=Ability.MEMBERS_CHANGE)
    def delete(self, username: str) -> None:
        user = User.objects.filter(memberships__project=self.project, username=username).first()
        with refusals_as_conflicts():
            if user is None or not remove_member(project=self.project, user=user):
                raise Http404(NO_MEMBER)


class InvitationSerializer(fields.Shape):
    """An open invitation to one role, for one person or, with one link, for several."""

    id = fields.Integer(read_only=True)
    role = fields.Choice(Role.choices)
    name = fields.Text(
        "The person whom it is for: a name or an address.",
        required=False,
        allow_blank=True,
        max_length=Invitation.MAX_NAME,
    )
    to_account = fields.Boolean(
        "Whether the account of this name, if it exists, also finds the invitation on its home page.", required=False
    )
    limit = fields.Integer(
        "The number of people who may join with it.", required=False, min_value=1, max_value=MOST_BY_LINK
    )
    used = fields.Integer("The number of people who have joined with it.", read_only=True)
    invited_by = fields.Text("Who made it.", read_only=True, source="invited_by.username")
    created_at = fields.Time(read_only=True)
    expires_at = fields.Time(read_only=True)


class InvitationBody(InvitationSerializer):
    """A new invitation. Without `last_day` it expires after 7 days."""

    last_day = serializers.DateField(required=False, help_text="The day, in UTC, at whose end it expires.")

    def validate_last_day(self, day: datetime.date) -> datetime.date:
        try:
            invitations.expiry(day, timezone.now())
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from error
        return day

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        name, to_account = fields.get("name", ""), fields.get("to_account", False)
        if to_account and not name:
            raise serializers.ValidationError({"name": ["Give the username."]})
        if name and fields.get("limit", 1) > 1:
            raise serializers.ValidationError({"limit": ["An invitation by name is for one person."]})
        try:
            names = invitations.read_names(name, accounts=to_account)
        except ValidationError as error:
            raise serializers.ValidationError({"name": error.messages}) from error
        if len(names) > 1:
            raise serializers.ValidationError({"name": ["Give one name, without line breaks, commas or semicolons."]})
        return fields


class NewInvitationSerializer(InvitationSerializer):
    """A new invitation with its link. No later response has the link."""

    url = fields.Computed("The link to send. It cannot be looked up later.")

    def get_url(self, invitation: Any) -> str:
        return str(self.context["url"])


class InvitationList(ProjectView):
    """List the open invitations, the newest first."""

    @answers(InvitationSerializer, needs=Ability.MEMBERS_READ, many=True)
    def get(self) -> QuerySet[Invitation]:
        return self.project.invitations.open().select_related("invited_by").order_by("-pk")

    @answers(NewInvitationSerializer, 201, needs=Ability.MEMBERS_CHANGE, takes=InvitationBody)
    def post(self) -> Response:
        """Create a link with which one person can join in the given role for 7 days, or `limit` people until the end of
        `last_day`. Only this response has the link, as `url`.

        With `to_account`, the account with the username `name` also finds the invitation on its home page. The response
        does not depend on whether this account exists. Respond with 409 after invitations for 100 people in 7 days.
        """
        with refusals_as_conflicts():
            invitation, token = invitations.invite(project=self.project, user=self.user, **self.body)
        url = invitations.deliver(token, self.request.build_absolute_uri)
        data = NewInvitationSerializer(invitation, context={"url": url}).data
        return Response(data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class InvitationDetail(ProjectView):
    """Withdraw an invitation, so that its link no longer works."""

    @answers(needs=Ability.MEMBERS_CHANGE)
    def delete(self, invitation_id: int) -> None:
        if not invitations.withdraw(project=self.project, invitation_id=invitation_id):
            raise NotFound("There is no open invitation of this id in the project.")
