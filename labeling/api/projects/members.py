"""Endpoints for the members of a project and their roles."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.api.shared.errors import refusals_as_conflicts
from labeling.models import Ability, Membership, Role, User
from labeling.models.accounts import MAX_DAILY_LIMIT, MAX_GROUP
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
        "Parts of a batch can be kept for a group.", required=False, allow_blank=True, max_length=MAX_GROUP
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

    reading = Ability.MEMBERS_READ
    changing = Ability.MEMBERS_CHANGE

    @answers(MemberSerializer, many=True)
    def get(self) -> QuerySet[Membership]:
        return self.project.memberships.select_related("user").order_by("user__username")

    @answers(MemberSerializer, 201, takes=MemberSerializer)
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

    changing = Ability.MEMBERS_CHANGE

    @answers(MemberSerializer)
    def post(self, username: str) -> Membership:
        """Pause a member and release the member's tasks to other annotators. Answers that the member still sends are
        accepted.
        """
        gold.pause(self._member(username), f"Paused by {self.user.username}.", by=self.user)
        return self._member(username)

    @answers(MemberSerializer)
    def delete(self, username: str) -> Membership:
        """End a member's pause. The count of wrong gold items starts at zero again."""
        gold.let_go_on(self._member(username))
        return self._member(username)

    def _member(self, username: str) -> Membership:
        people = self.project.memberships.select_related("user", "project")
        return find_or_404(people, NO_MEMBER, user__username=username)


class MemberDetail(ProjectView):
    """Remove a member. The member's answers stay. Respond with 409 for the last manager."""

    changing = Ability.MEMBERS_CHANGE

    @answers()
    def delete(self, username: str) -> None:
        user = User.objects.filter(memberships__project=self.project, username=username).first()
        with refusals_as_conflicts():
            if user is None or not remove_member(project=self.project, user=user):
                raise Http404(NO_MEMBER)
