"""Batches and model versions, as engineers and pages read them."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.answering import batches
from labeling.api.shared.base import ProjectListView, ProjectView
from labeling.api.shared.errors import find_or_404
from labeling.api.shared.visible import VisibleToMember
from labeling.loop import deadlines
from labeling.models import Batch, Project
from labeling.projects import access


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
