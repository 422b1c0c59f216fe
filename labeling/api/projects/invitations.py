"""Endpoints for invitations to a project."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView
from labeling.api.shared.errors import Conflict
from labeling.api.shared.fields import StrictChoice
from labeling.api.shared.validation import read
from labeling.models import Ability, Role
from labeling.projects import invitations


class InvitationSerializer(serializers.Serializer[Any]):
    """An open invitation for one person to one role."""

    id = serializers.IntegerField(read_only=True)
    role = StrictChoice(choices=Role.choices)
    invited_by = serializers.CharField(read_only=True, source="invited_by.username", help_text="Who made it.")
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)


class NewInvitationSerializer(InvitationSerializer):
    """A new invitation with its link. No later response has the link."""

    url = serializers.SerializerMethodField(help_text="The link to send. Nobody can look it up later.")

    def get_url(self, invitation: Any) -> str:
        return str(self.context["url"])


class InvitationList(ProjectView):
    """List the open invitations, the newest first."""

    subject = "Projects"
    reading = Ability.MEMBERS_READ
    changing = Ability.MEMBERS_CHANGE

    @extend_schema(responses=InvitationSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        rows = self.project.invitations.open().select_related("invited_by").order_by("-pk")
        return Response(InvitationSerializer(rows, many=True).data)

    @extend_schema(request=InvitationSerializer, responses={201: NewInvitationSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Create a link with which one person can join the project within 7 days. Only this response has the link."""
        role = read(InvitationSerializer, request.data)["role"]
        try:
            invitation, token = invitations.invite(project=self.project, user=self.user, role=role)
        except ValidationError as error:
            raise Conflict(error.messages[0]) from error
        url = request.build_absolute_uri(reverse("invitation", args=[token]))
        data = NewInvitationSerializer(invitation, context={"url": url}).data
        return Response(data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class InvitationDetail(ProjectView):
    """Withdraw an invitation, so that its link no longer works."""

    subject = "Projects"
    changing = Ability.MEMBERS_CHANGE

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, invitation_id: int) -> Response:
        if not self.project.invitations.filter(pk=invitation_id).close():
            raise NotFound("There is no open invitation of this id in the project.")
        return Response(status=status.HTTP_204_NO_CONTENT)
