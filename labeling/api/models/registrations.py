"""Endpoints that register models that were trained elsewhere, and that register model versions in MLflow."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import serializers
from rest_framework.parsers import FileUploadParser, MultiPartParser

from labeling.api.shared import fields
from labeling.api.shared.bodies import file_bodies, sent
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.intake import registering
from labeling.models import Ability, Registration, TrackedVersion
from labeling.outgoing import tracking


class RegistrationSerializer(serializers.ModelSerializer[Registration]):
    """A file with a model, and the version that a worker made of it."""

    version = fields.Integer(
        "The model version, once `state` is `done`.", source="version.number", default=None, allow_null=True
    )
    source = fields.Object(  # type: ignore[assignment]  # a field that DRF has an attribute for
        "Its format, its SHA-256, and what its manifest says, once it is done."
    )
    created_by = fields.Text(source="created_by.username", default=None, allow_null=True)
    url = fields.Computed("Ask here again until `state` is `done` or `failed`.")

    class Meta:
        model = Registration
        fields = read_only_fields = fields.words(
            "id name state reason version source url created_by created_at finished_at"
        )

    def get_url(self, registration: Registration) -> str:
        return reverse("api:registration", args=[registration.project.slug, registration.pk])


class NoOptions(fields.Shape):
    """The file alone."""


class RegistrationList(ProjectView):
    """List the files with models that were registered or refused, the newest first."""

    parser_classes = [MultiPartParser, FileUploadParser]

    @answers(RegistrationSerializer, needs=Ability.MODELS_READ, pages=True)
    def get(self) -> QuerySet[Registration]:
        return self.project.registrations.select_related("project", "version", "created_by")

    @answers(
        RegistrationSerializer,
        202,
        needs=Ability.MODELS_CHANGE,
        request=file_bodies("model.zip"),
        meaning="A worker reads it: poll `url`.",
    )
    def post(self) -> Registration:
        """Register a model that was trained elsewhere: a zip with `manifest.json` and `model.onnx`, the files of a
        version of another project, or a graph of `export_model`.

        A worker checks and measures it, and makes a model version of it. The version picks the next batches if it is
        not worse than the version before it.
        """
        file, _ = sent(self.request, self.project, NoOptions)
        return registering.receive(project=self.project, user=self.user, **file)


class RegistrationDetail(ProjectView):
    """Return a registration and its state."""

    @answers(RegistrationSerializer, needs=Ability.MODELS_READ)
    def get(self, registration_id: int) -> Registration:
        rows = self.project.registrations.select_related("project", "version", "created_by")
        return self.one_of(rows, "registration", pk=registration_id)


class TrackedVersionSerializer(serializers.ModelSerializer[TrackedVersion]):
    """A version's entry in MLflow's model registry."""

    version = fields.Integer("The model version here.", source="version.number")
    page = fields.Computed("Its page in MLflow, once it is done; empty without pages.")

    class Meta:
        model = TrackedVersion
        fields = read_only_fields = fields.words(
            "version state reason model_name model_version page created_at finished_at"
        )

    def get_page(self, tracked: TrackedVersion) -> str:
        return tracking.page_of(tracked)


class VersionInMlflow(ProjectView):
    """A version's entry in MLflow."""

    @answers(TrackedVersionSerializer, needs=Ability.MODELS_READ)
    def get(self, number: int) -> TrackedVersion:
        """Return the state of the version's registration in MLflow."""
        missing = f"Model version {number} of this project was not sent to MLflow."
        rows = self.project.tracked_versions.select_related("version")
        return find_or_404(rows, missing, version__number=number)

    @answers(TrackedVersionSerializer, 202, needs=Ability.MODELS_CHANGE, meaning="A worker sends it.")
    def post(self, number: int) -> TrackedVersion:
        """Log the version to MLflow, and register it there under the project's slug. A worker does it.

        A repeated request makes no second entry. The version that picks batches gets the alias `in-use`. The operator
        sets the address of MLflow.
        """
        version = self.one_of(self.project.versions.select_related("project"), "model version", number=number)
        return tracking.ask(version=version, user=self.user)
