"""Endpoints for the versions of a project's guidelines. `PATCH` of the project makes a new version."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectListView, ProjectView, find_or_404
from labeling.models import Ability, GuidelinesVersion
from labeling.projects.classes import guidelines
from labeling.projects.classes.guidelines import answers_by_version


class Guidelines(serializers.Serializer[Any]):
    """A saved version of the guidelines."""

    version = serializers.IntegerField(source="number")
    text = serializers.CharField(help_text="In Markdown.")
    user = serializers.CharField(source="user.username", allow_null=True, default=None, help_text="Who saved them.")
    created_at = serializers.DateTimeField()
    answers = serializers.SerializerMethodField(help_text="How many standing answers were given under them.")

    def get_answers(self, version: GuidelinesVersion) -> int:
        counts: dict[int, int] = self.context["answers"]
        return counts.get(version.number, 0)


class GuidelinesList(ProjectListView):
    """List all versions of the guidelines, the newest first."""

    subject = "Projects"
    reading = Ability.LABELS_READ
    serializer_class = Guidelines

    def get_queryset(self) -> QuerySet[GuidelinesVersion]:
        return self.project.guidelines_versions.select_related("user").order_by("-number")

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "answers": answers_by_version(self.project)}


class GuidelinesRestore(ProjectView):
    """Restore an earlier version of the guidelines as a new version."""

    subject = "Projects"
    changing = Ability.SETTINGS_CHANGE

    @extend_schema(request=None, responses=Guidelines)
    def post(self, request: Request, slug: str, number: int) -> Response:
        find_or_404(
            self.project.guidelines_versions.all(), "The guidelines have no version with this number.", number=number
        )
        made = guidelines.go_back(project=self.project, user=self.user, number=number)
        version = self.project.guidelines_versions.select_related("user").get(number=made)
        return Response(Guidelines(version, context={"answers": answers_by_version(self.project)}).data)
