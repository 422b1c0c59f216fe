"""Batches and model versions, as engineers and pages read them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access, artifacts, batches, deadlines, privacy, versions
from labeling.api.base import ProjectListView, ProjectView
from labeling.api.errors import find_or_404
from labeling.api.visible import VisibleToMember
from labeling.control_slice import ControlSlice
from labeling.models import Batch, ModelVersion, Project


class BatchSerializer(VisibleToMember, serializers.ModelSerializer[Batch]):
    """State and progress; for engineers and managers, how it was selected."""

    resource = "Batch"

    selected_by = serializers.IntegerField(
        source="selected_by.number", allow_null=True, help_text="The model version whose margins it was picked by."
    )
    model_version = serializers.IntegerField(
        source="model_version.number", allow_null=True, help_text="The model version that was trained on it."
    )
    newest_version = serializers.IntegerField(
        allow_null=True, help_text="The newest model version then. Another picked it if this one was held back."
    )
    chosen_by = serializers.CharField(
        source="choice.user.username",
        allow_null=True,
        default=None,
        help_text="The manager whose choice of a model version held then; null for the gate's.",
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
            "newest_version",
            "chosen_by",
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


class GateFigures(serializers.Serializer[Any]):
    """A new version beside version `against` on the same `n` control items: `gained` only the new one has right, `lost`
    only the other.
    """

    against = serializers.IntegerField(min_value=1)
    n = serializers.IntegerField(min_value=0)
    gained = serializers.IntegerField(min_value=0)
    lost = serializers.IntegerField(min_value=0)
    reason = serializers.CharField(required=False, help_text="Why they could not be compared, where that is so.")


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """Metrics and lineage. The context holds the `ControlSlice`, and `in_use`: the version that picks the batches."""

    version = serializers.IntegerField(source="number")
    batch = serializers.IntegerField(source="batch.number")
    parent = serializers.IntegerField(  # type: ignore[assignment]  # a field that DRF has an attribute for
        source="parent.number", allow_null=True, help_text="The version that picked its last batch."
    )
    training = serializers.DictField(help_text="The training settings that it was trained with.")
    metrics = serializers.DictField(help_text="As measured when it was trained; `control`: on control items.")
    control_now = serializers.SerializerMethodField(help_text="On all control items labeled by now: compare by this.")
    in_use = serializers.SerializerMethodField(help_text="Whether it picks the next batch.")
    gate = serializers.SerializerMethodField(help_text="The comparison when it was trained; null for the first.")

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
            "in_use",
            "held_back",
            "gate",
            "seconds",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(ControlFigures(allow_null=True))
    def get_control_now(self, version: ModelVersion) -> dict[str, Any] | None:
        control: ControlSlice = self.context["control"]
        return control.measure(version)

    def get_in_use(self, version: ModelVersion) -> bool:
        return bool(version == self.context["in_use"])

    @extend_schema_field(GateFigures(allow_null=True))
    def get_gate(self, version: ModelVersion) -> dict[str, Any] | None:
        return version.gate or None


class BatchList(ProjectListView):
    """All batches, the newest first."""

    subject = "Batches"
    serializer_class = BatchSerializer

    def get_queryset(self) -> QuerySet[Batch]:
        return _with_versions(self.project).order_by("-number")


def _with_versions(project: Project) -> QuerySet[Batch]:
    return project.batches.select_related("selected_by", "model_version", "choice__user")


class _OneBatch(ProjectView):
    """What concerns one batch."""

    subject = "Batches"

    def find(self, number: int) -> Batch:
        return find_or_404(_with_versions(self.project), f"There is no batch {number} in this project.", number=number)

    def shown(self, number: int) -> Response:
        return Response(BatchSerializer(self.find(number), context={"membership_in": self.membership_in}).data)


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
        return {**super().get_serializer_context(), **_of_project(self.project)}


def _of_project(project: Project) -> dict[str, Any]:
    """What a `VersionSerializer` needs to know."""
    found = versions.in_use(project)
    return {"control": ControlSlice(project), "in_use": found.version if found else None}


class _OneVersion(ProjectView):
    """What concerns one model version."""

    subject = "Models"

    def find(self, number: int) -> ModelVersion:
        found = self.project.versions.select_related("batch", "parent")
        return find_or_404(found, f"There is no model version {number} in this project.", number=number)

    def shown(self, version: ModelVersion) -> Response:
        return Response(VersionSerializer(version, context=_of_project(self.project)).data)


class VersionDetail(_OneVersion):
    """One model version."""

    needs = {"GET": access.EXPORT}

    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        return self.shown(self.find(number))


class VersionUse(_OneVersion):
    """Have this version pick the batches, from the next one on, until another is chosen or the gate decides again."""

    needs = {"POST": access.MANAGE}

    @extend_schema(request=None, responses=VersionSerializer)
    def post(self, request: Request, slug: str, number: int) -> Response:
        version = self.find(number)
        versions.use(project=self.project, version=version, user=self.user)
        return self.shown(version)


class VersionRelease(_OneVersion):
    """Let the files of a version that was trained without privacy leave a private project. It stands who said so."""

    needs = {"POST": access.MANAGE}

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, slug: str, number: int) -> Response:
        privacy.release(version=self.find(number), user=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionArtifact(_OneVersion):
    """The version's files in one zip: model.safetensors, README.md (its model card) and manifest.json."""

    needs = {"GET": access.EXPORT}

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, number: int) -> FileResponse:
        version = self.find(number)
        if not privacy.may_leave(version):
            raise PermissionDenied(privacy.held(version))
        try:
            archive = artifacts.as_zip(version)
        except artifacts.FolderError:
            raise Http404("The files of this version are gone, or cannot be read.") from None
        return FileResponse(archive, as_attachment=True, filename=f"{self.project.slug}-v{number}.zip")
