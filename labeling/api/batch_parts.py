"""Endpoints for parts of a batch: tasks that managers reserve for a member or a group."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.batches import OneBatch
from labeling.api.shared.errors import Conflict
from labeling.api.shared.fields import StrictFloat, StrictText
from labeling.api.shared.validation import read
from labeling.models import Ability, User
from labeling.models.accounts import MAX_GROUP
from labeling.queue import parts
from labeling.queue.parts import PartRecord, parts_of


class PartRequest(serializers.Serializer[Any]):
    """A part to reserve, for `username` or for `group`."""

    username = StrictText(required=False, max_length=150, help_text="A member who may answer.")
    group = StrictText(required=False, max_length=MAX_GROUP, help_text="A group that members are in.")
    share = StrictFloat(min_value=0.0001, max_value=1, help_text="Of the batch, from 0 to 1.")


class Part(serializers.Serializer[Any]):
    """Tasks of a batch that are reserved for one member or a group."""

    id = serializers.IntegerField()
    username = serializers.CharField(allow_null=True)
    group = serializers.CharField(allow_blank=True)
    start = serializers.IntegerField(help_text="Rank of its first task.")
    stop = serializers.IntegerField(help_text="The rank behind its last task.")
    unanswered = serializers.IntegerField(help_text="Its tasks that lack answers.")
    people = serializers.IntegerField(
        help_text="The number of members who can answer them. With 0, the batch "
        "cannot become complete: remove the part."
    )


def _shown(record: PartRecord) -> dict[str, Any]:
    part = record.part
    return {
        "id": part.pk,
        "username": part.user.username if part.user else None,
        "group": part.group,
        "start": part.start,
        "stop": part.stop,
        "unanswered": record.unanswered,
        "people": record.people,
    }


class BatchParts(OneBatch):
    """List the parts of a batch. Tasks outside all parts are open to every annotator."""

    reading = Ability.MEMBERS_READ
    changing = Ability.BATCHES_CHANGE

    @extend_schema(responses=Part(many=True))
    def get(self, request: Request, slug: str, number: int) -> Response:
        return Response([_shown(each) for each in parts_of(self.find(number))])

    @extend_schema(request=PartRequest, responses={201: Part})
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Reserve a share of the batch's unassigned tasks for one member or a group."""
        values = read(PartRequest, request.data)
        if ("username" in values) == ("group" in values):
            raise ValidationError({"group": "Name either a member or a group."})
        batch, user = self.find(number), None
        if "username" in values:
            user = User.objects.filter(memberships__project=self.project, username=values["username"]).first()
            if user is None:
                raise ValidationError({"username": "The project has no member with this username."})
        try:
            part = parts.assign_part(batch=batch, share=values["share"], user=user, group=values.get("group", ""))
        except parts.PartError as error:
            raise Conflict(str(error)) from error
        record = next(each for each in parts_of(batch) if each.part == part)
        return Response(_shown(record), status=status.HTTP_201_CREATED)


class OnePart(OneBatch):
    """A single part of a batch."""

    changing = Ability.BATCHES_CHANGE

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, number: int, part_id: int) -> Response:
        """Remove a part. Its unassigned tasks become open to every annotator; assigned tasks stay with their
        annotators.
        """
        if not parts.unassign_part(batch=self.find(number), part_id=part_id):
            raise NotFound("The batch has no part with this id.")
        return Response(status=status.HTTP_204_NO_CONTENT)
