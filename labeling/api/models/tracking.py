"""The endpoint that registers a model version in MLflow."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView, find_or_404
from labeling.api.shared.fields import words
from labeling.models import Ability, TrackedVersion
from labeling.outgoing import tracking


class TrackedVersionSerializer(serializers.ModelSerializer[TrackedVersion]):
    """A version's entry in MLflow's model registry."""

    version = serializers.IntegerField(source="version.number", help_text="The model version here.")
    page = serializers.SerializerMethodField(help_text="Its page in MLflow, once it is done; empty without pages.")

    class Meta:
        model = TrackedVersion
        fields = read_only_fields = words("version state reason model_name model_version page created_at finished_at")

    @extend_schema_field(serializers.CharField())
    def get_page(self, tracked: TrackedVersion) -> str:
        return tracking.page_of(tracked)


class VersionInMlflow(ProjectView):
    """A version's entry in MLflow."""

    subject = "Models"
    reading = Ability.MODELS_READ
    changing = Ability.MODELS_CHANGE

    @extend_schema(responses=TrackedVersionSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """Return the state of the version's registration in MLflow."""
        missing = f"Model version {number} of this project was not sent to MLflow."
        rows = self.project.tracked_versions.select_related("version")
        return Response(TrackedVersionSerializer(find_or_404(rows, missing, version__number=number)).data)

    @extend_schema(
        request=None, responses={202: OpenApiResponse(TrackedVersionSerializer, description="A worker sends it.")}
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Log the version to MLflow, and register it there under the project's slug. A worker does it.

        A repeated request makes no second entry. The version that picks batches gets the alias `in-use`. The operator
        sets the address of MLflow.
        """
        versions = self.project.versions.select_related("project")
        version = find_or_404(versions, f"There is no model version {number} in this project.", number=number)
        tracked = tracking.ask(version=version, user=self.user)
        return Response(TrackedVersionSerializer(tracked).data, status=status.HTTP_202_ACCEPTED)
