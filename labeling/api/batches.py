"""Batches and model versions, as engineers and pages read them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access, artifacts, batches, deadlines
from labeling.api.base import ProjectView
from labeling.api.pagination import Pages
from labeling.control_slice import ControlSlice
from labeling.models import Batch, ModelVersion


class BatchSerializer(serializers.ModelSerializer[Batch]):
    """State, progress, and how it was selected."""

    selected_by = serializers.IntegerField(source="selected_by.number", default=None)
    model_version = serializers.IntegerField(source="model_version.number", default=None)
    answered = serializers.SerializerMethodField()

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

    def get_answered(self, batch: Batch) -> int:
        return batch.size - batch.remaining


class ControlFigures(serializers.Serializer[Any]):
    """Accuracy on control items: the share that is right, the ends of its 95 % interval, the number of items."""

    accuracy = serializers.FloatField(min_value=0, max_value=1, allow_null=True)
    low = serializers.FloatField(min_value=0, max_value=1)
    high = serializers.FloatField(min_value=0, max_value=1)
    n = serializers.IntegerField(min_value=0)


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """Metrics and lineage. `metrics.control` was measured when it was trained; `control_now`, on all control items
    labeled by now, is what versions can be compared by. The context holds the `ControlSlice`.
    """

    version = serializers.IntegerField(source="number")
    batch = serializers.IntegerField(source="batch.number")
    parent = serializers.IntegerField(source="parent.number", default=None)  # type: ignore[assignment]
    control_now = serializers.SerializerMethodField()

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

    @extend_schema_field(ControlFigures(allow_null=True))
    def get_control_now(self, version: ModelVersion) -> dict[str, Any] | None:
        control: ControlSlice = self.context["control"]
        return control.measure(version)


class _List(ProjectView):
    """A list in pages."""

    def paginated(
        self, queryset: QuerySet[Any], serializer: type[serializers.Serializer[Any]], **context: Any
    ) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(queryset, self.request, view=self)
        return pages.get_paginated_response(serializer(page, many=True, context=context).data)


class BatchList(_List):
    """All batches, the newest first."""

    @extend_schema(responses=BatchSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        found = self.project.batches.select_related("selected_by", "model_version").order_by("-number")
        return self.paginated(found, BatchSerializer)


class BatchDetail(ProjectView):
    """One batch."""

    @extend_schema(responses=BatchSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        found = self.project.batches.select_related("selected_by", "model_version")
        return Response(BatchSerializer(get_object_or_404(found, number=number)).data)


class BatchRetry(ProjectView):
    """Take a failed batch up again."""

    needs = {"POST": access.MANAGE}

    @extend_schema(request=None, responses=BatchSerializer)
    def post(self, request: Request, slug: str, number: int) -> Response:
        batches.retry(batch=get_object_or_404(self.project.batches, number=number))
        return Response(BatchSerializer(self.project.batches.get(number=number)).data)


class BatchEnd(ProjectView):
    """End an open batch with the answers that it has: unanswered tasks leave it, and their items return to the pool."""

    needs = {"POST": access.MANAGE}

    @extend_schema(request=None, responses=BatchSerializer)
    def post(self, request: Request, slug: str, number: int) -> Response:
        deadlines.end_early(batch=get_object_or_404(self.project.batches, number=number))
        return Response(BatchSerializer(self.project.batches.get(number=number)).data)


class VersionList(_List):
    """All model versions, the newest first."""

    needs = {"GET": access.EXPORT}

    @extend_schema(responses=VersionSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        found = self.project.versions.select_related("batch", "parent").order_by("-number")
        return self.paginated(found, VersionSerializer, control=ControlSlice(self.project))


class VersionDetail(ProjectView):
    """One model version."""

    needs = {"GET": access.EXPORT}

    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        found = self.project.versions.select_related("batch", "parent")
        version = get_object_or_404(found, number=number)
        return Response(VersionSerializer(version, context={"control": ControlSlice(self.project)}).data)


class VersionArtifact(ProjectView):
    """The version's files in one zip: model.safetensors and manifest.json."""

    needs = {"GET": access.EXPORT}

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, number: int) -> FileResponse:
        version = get_object_or_404(self.project.versions, number=number)
        try:
            archive = artifacts.as_zip(version)
        except FileNotFoundError:
            raise Http404("The files of this version are gone from the disk.") from None
        return FileResponse(archive, as_attachment=True, filename=f"{self.project.slug}-v{number}.zip")
