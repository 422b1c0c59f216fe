"""The members of a project and their roles."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.base import ProjectView
from labeling.api.shared.errors import Conflict
from labeling.api.shared.fields import StrictChoice, StrictText
from labeling.api.shared.reading import read
from labeling.models import Membership, Role, User
from labeling.projects import access
from labeling.projects.members import remove_member, set_role


class MemberSerializer(serializers.Serializer[Any]):
    """Somebody in the project, and as what."""

    username = StrictText(max_length=150, source="user.username")
    role = StrictChoice(choices=Role.choices)


class MemberList(ProjectView):
    """Who is in the project, by name."""

    subject = "Projects"
    needs = {"GET": access.MANAGE, "POST": access.MANAGE}

    @extend_schema(responses=MemberSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        members = Membership.objects.filter(project=self.project).select_related("user").order_by("user__username")
        return Response(MemberSerializer(members, many=True).data)

    @extend_schema(request=MemberSerializer, responses={201: MemberSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Change a member's role. Superusers may also add anybody who has an account; others bring people in by
        invitations.
        """
        given = read(MemberSerializer, request.data)
        username = given["user"]["username"]
        people = (
            User.objects.all() if self.user.is_superuser else User.objects.filter(memberships__project=self.project)
        )
        user = people.filter(username=username).first()
        if user is None:
            raise NotFound("There is no such member. Invite people with POST invitations/.")
        try:
            membership = set_role(project=self.project, user=user, role=given["role"])
        except ValidationError as error:
            raise Conflict(error.messages[0]) from error
        return Response(MemberSerializer(membership).data, status=status.HTTP_201_CREATED)


class MemberDetail(ProjectView):
    """End a membership. What the member answered stays; the last manager cannot go."""

    subject = "Projects"
    needs = {"DELETE": access.MANAGE}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, username: str) -> Response:
        user = User.objects.filter(memberships__project=self.project, username=username).first()
        try:
            if user is None or not remove_member(project=self.project, user=user):
                raise NotFound("There is no such member.")
        except ValidationError as error:
            raise Conflict(error.messages[0]) from error
        return Response(status=status.HTTP_204_NO_CONTENT)
