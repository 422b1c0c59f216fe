"""Batches and model versions, as engineers and pages read them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access, artifacts, batches, deadlines
from labeling.api.base import ProjectView
from labeling.api.pagination import Pages
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


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """Metrics and lineage."""

    version = serializers.IntegerField(source="number")
    batch = serializers.IntegerField(source="batch.number")
    parent = serializers.IntegerField(source="parent.number", default=None)  # type: ignore[assignment]

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
            "seconds",
            "created_at",
        )


class _List(ProjectView):
    """A list in pages."""

    def paginated(self, queryset: QuerySet[Any], serializer: type[serializers.Serializer[Any]]) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(queryset, self.request, view=self)
        return pages.get_paginated_response(serializer(page, many=True).data)


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
        return self.paginated(found, VersionSerializer)


class VersionDetail(ProjectView):
    """One model version."""

    needs = {"GET": access.EXPORT}

    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        found = self.project.versions.select_related("batch", "parent")
        return Response(VersionSerializer(get_object_or_404(found, number=number)).data)


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
