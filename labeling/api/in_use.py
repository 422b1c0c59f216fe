"""Which model version picks the batches, by whose word, and back to the gate's."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access, versions
from labeling.api.base import ProjectView


class InUseSerializer(serializers.Serializer[versions.InUse]):
    """The version that picks the next batch, and why that one."""

    version = serializers.IntegerField(source="version.number", help_text="It picks the next batch.")
    newest = serializers.IntegerField(source="newest.number", help_text="The version that was trained last.")
    by_gate = serializers.IntegerField(
        source="by_gate.number", help_text="The newest version that is not held back: it picks without a choice."
    )
    chosen_by = serializers.CharField(
        source="choice.user.username",
        allow_null=True,
        default=None,
        help_text="The manager who chose; null for nobody.",
    )
    chosen_at = serializers.DateTimeField(source="choice.created_at", allow_null=True, default=None)


class VersionInUse(ProjectView):
    """Which model version picks the batches."""

    subject = "Models"
    needs = {"GET": access.EXPORT, "DELETE": access.MANAGE}

    def shown(self) -> Response:
        found = versions.in_use(self.project)
        if found is None:
            raise Http404("There is no model version yet: the first is trained when the first batch is complete.")
        return Response(InUseSerializer(found).data)

    @extend_schema(responses=InUseSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The model version that picks the next batch, and why that one."""
        return self.shown()

    @extend_schema(request=None, responses={200: InUseSerializer})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End a manager's choice: the newest version that is not held back picks the batches again."""
        versions.use_gate(project=self.project, user=self.user)
        return self.shown()
