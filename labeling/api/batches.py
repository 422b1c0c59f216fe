"""Batches and model versions, as engineers and pages read them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access, artifacts, batches, deadlines
from labeling.api.base import ProjectListView, ProjectView
from labeling.api.errors import find_or_404
from labeling.control_slice import ControlSlice
from labeling.models import Batch, ModelVersion, Project


class BatchSerializer(serializers.ModelSerializer[Batch]):
    """State, progress, and how it was selected."""

    selected_by = serializers.IntegerField(
        source="selected_by.number", allow_null=True, help_text="The model version whose margins it was picked by."
    )
    model_version = serializers.IntegerField(
        source="model_version.number", allow_null=True, help_text="The model version that was trained on it."
    )
    answered = serializers.SerializerMethodField(help_text="Tasks that have all their answers.")

    class Meta:
        model = Batch
        fields = (
            "number",
            "state",
            "reason",
            "size",
            "remaining",
            "answered",
            "overlap",
            "strategy",
            "seed",
            "batch_size",
            "candidate_factor",
            "candidates",
            "mean_cluster_size",
            "cut_height",
            "clusters",
            "class_guard",
            "control_share",
            "control_tasks",
            "pool_size",
            "pool_rows",
            "features_hash",
            "margins_hash",
            "dendrogram_hash",
            "selected_by",
            "model_version",
            "select_seconds",
            "dropped",
            "complete_share",
            "deadline_at",
            "created_at",
            "opened_at",
            "completed_at",
            "done_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "candidates": {
                "help_text": "k_m: the most doubted items, which it was drawn from; null if any item could be picked."
            }
        }

    def get_answered(self, batch: Batch) -> int:
        return batch.size - batch.remaining


class ControlFigures(serializers.Serializer[Any]):
    """Accuracy on control items: the share that is right, the ends of its 95 % interval, the number of items."""

    accuracy = serializers.FloatField(min_value=0, max_value=1, allow_null=True)
    low = serializers.FloatField(min_value=0, max_value=1)
    high = serializers.FloatField(min_value=0, max_value=1)
    n = serializers.IntegerField(min_value=0)


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """Metrics and lineage. The context holds the `ControlSlice`."""

    version = serializers.IntegerField(source="number")
    batch = serializers.IntegerField(source="batch.number")
    parent = serializers.IntegerField(  # type: ignore[assignment]  # a field that DRF has an attribute for
        source="parent.number", allow_null=True, help_text="The version before, that this one grew from."
    )
    training = serializers.DictField(help_text="The training settings that it was trained with.")
    metrics = serializers.DictField(help_text="As measured when it was trained; `control`: on control items.")
    control_now = serializers.SerializerMethodField(help_text="On all control items labeled by now: compare by this.")

    class Meta:
        model = ModelVersion
        fields = (
            "version",
            "batch",
            "parent",
            "labels",
            "labels_hash",
            "digest",
            "seed",
            "training",
            "metrics",
            "control_now",
            "seconds",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(ControlFigures(allow_null=True))
    def get_control_now(self, version: ModelVersion) -> dict[str, Any] | None:
        control: ControlSlice = self.context["control"]
        return control.measure(version)


class BatchList(ProjectListView):
    """All batches, the newest first."""

    subject = "Batches"
    serializer_class = BatchSerializer

    def get_queryset(self) -> QuerySet[Batch]:
        return _with_versions(self.project).order_by("-number")


def _with_versions(project: Project) -> QuerySet[Batch]:
    return project.batches.select_related("selected_by", "model_version")


class _OneBatch(ProjectView):
    """What concerns one batch."""

    subject = "Batches"

    def find(self, number: int) -> Batch:
        return find_or_404(_with_versions(self.project), f"There is no batch {number} in this project.", number=number)

    def shown(self, number: int) -> Response:
        return Response(BatchSerializer(self.find(number)).data)


class BatchDetail(_OneBatch):
    """One batch."""

    @extend_schema(responses=BatchSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        return self.shown(number)


class BatchRetry(_OneBatch):
    """Take a failed batch up again."""

    needs = {"POST": access.MANAGE}

    @extend_schema(request=None, responses=BatchSerializer)
    def post(self, request: Request, slug: str, number: int) -> Response:
        batches.retry(batch=self.find(number))
        return self.shown(number)


class BatchEnd(_OneBatch):
    """End an open batch with the answers that it has: unanswered tasks leave it, and their items return to the pool."""

    needs = {"POST": access.MANAGE}

    @extend_schema(request=None, responses=BatchSerializer)
    def post(self, request: Request, slug: str, number: int) -> Response:
        deadlines.end_early(batch=self.find(number))
        return self.shown(number)


class VersionList(ProjectListView):
    """All model versions, the newest first."""

    subject = "Models"
    needs = {"GET": access.EXPORT}
    serializer_class = VersionSerializer

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return self.project.versions.select_related("batch", "parent").order_by("-number")

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "control": ControlSlice(self.project)}


class VersionDetail(ProjectView):
    """One model version."""

    subject = "Models"
    needs = {"GET": access.EXPORT}

    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        found = self.project.versions.select_related("batch", "parent")
        version = find_or_404(found, f"There is no model version {number} in this project.", number=number)
        return Response(VersionSerializer(version, context={"control": ControlSlice(self.project)}).data)


class VersionArtifact(ProjectView):
    """The version's files in one zip: model.safetensors and manifest.json."""

    subject = "Models"
    needs = {"GET": access.EXPORT}

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, number: int) -> FileResponse:
        version = find_or_404(
            self.project.versions.all(), f"There is no model version {number} in this project.", number=number
        )
        try:
            archive = artifacts.as_zip(version)
        except FileNotFoundError:
            raise Http404("The files of this version are gone from the disk.") from None
        return FileResponse(archive, as_attachment=True, filename=f"{self.project.slug}-v{number}.zip")
