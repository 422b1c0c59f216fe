"""Endpoints for model versions: their metrics and files, those trained elsewhere, and their entries in MLflow."""

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import FileUploadParser, MultiPartParser

from labeling.api.shared import fields
from labeling.api.shared.bodies import file_bodies, sent
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404, record_download
from labeling.insight.control_slice import ControlSlice
from labeling.intake import registering
from labeling.models import Ability, LogKind, ModelVersion, Project, Registration, TrackedVersion
from labeling.outgoing import artifacts, tracking
from labeling.projects import version_in_use
from labeling.projects.privacy import ledger


class ControlFigures(fields.Shape):
    """Accuracy on control items: the share of right predictions, the ends of its 95 % interval, the number of items."""

    accuracy = fields.Share(allow_null=True)
    low = fields.Share()
    high = fields.Share()
    n = fields.Count()


class GateFigures(fields.Shape):
    """A new version compared with version `against` on the same `n` control items.

    `gained` counts the items that only the new version predicts right, `lost` those that only `against` does.
    """

    against = fields.Integer(min_value=1)
    n = fields.Count()
    gained = fields.Count()
    lost = fields.Count()
    reason = fields.Text("The reason why the versions could not be compared.", required=False)


class CalibrationFacts(fields.Shape):
    """The state of the version's calibration by further trainings."""

    state = fields.Choice(
        ModelVersion.Calibrating.choices,
        "`sealed`: known from its training alone; `waiting`: further trainings at low priority will "
        "measure it; `done`; `skipped`: it will not be measured.",
    )
    reason = fields.Text("Why it was skipped.")
    labels = fields.Integer("The number of labels that it was fitted to, once done.", allow_null=True)
    digest = fields.Text("Of `calibration.json` among the version's files, once done.")
    measured = fields.Object("On the control items of its training, once done, as in `metrics`.")


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A model version with metrics and lineage. The context holds the `ControlSlice` and `in_use`, the version that
    picks.
    """

    version = fields.Integer(source="number")
    batch = fields.Integer(
        "The last batch that it learned from; null if it was not trained here.",
        source="batch.number",
        default=None,
        allow_null=True,
    )
    parent = fields.Integer(  # type: ignore[assignment]  # a field that DRF has an attribute for
        "The version that picked its last batch.", source="parent.number", allow_null=True
    )
    dataset = fields.Text(
        "The dataset version that it learned from.", source="dataset.name", default=None, allow_null=True
    )
    training = fields.Object("The training settings that it was trained with.")
    metrics = fields.Object("Metrics at the time of training; `control`: on control items.")
    control_now = fields.Computed("Metrics on all control items labeled by now. Use them to compare versions.")
    in_use = fields.Computed("Whether it picks the next batch.")
    gate = fields.Computed("The comparison when it was trained; null for the first.")
    calibration = fields.Computed("The state of the version's calibration.")

    Meta = fields.shows(
        ModelVersion,
        "version origin batch parent labels labels_hash dataset digest seed training metrics control_now in_use "
        "held_back gate calibration seconds created_at",
    )

    @extend_schema_field(ControlFigures(allow_null=True))
    def get_control_now(self, version: ModelVersion) -> dict[str, Any] | None:
        control: ControlSlice = self.context["control"]
        return control.measure(version)

    def get_in_use(self, version: ModelVersion) -> bool:
        return bool(version == self.context["in_use"])

    @extend_schema_field(GateFigures(allow_null=True))
    def get_gate(self, version: ModelVersion) -> dict[str, Any] | None:
        return version.gate or None

    @extend_schema_field(CalibrationFacts)
    def get_calibration(self, version: ModelVersion) -> dict[str, Any]:
        unknown: dict[str, Any] = {"reason": "", "labels": None, "digest": "", "measured": {}}
        return CalibrationFacts({**unknown, **version.calibration, "state": version.calibrating}).data


def versions_of(project: Project) -> QuerySet[ModelVersion]:
    """Return the project's versions with the rows that the serializer shows."""
    return project.versions.select_related("batch", "parent", "dataset").defer("dataset__manifest")


class _Versions(ProjectView):
    def context_of(self, result: Any) -> dict[str, Any]:
        used = version_in_use.in_use(self.project)
        return {"control": ControlSlice(self.project), "in_use": used.version if used else None}

    def find(self, number: int) -> ModelVersion:
        return self.one_of(versions_of(self.project), "model version", number=number)


class VersionList(_Versions):
    """List all model versions, the newest first."""

    @answers(VersionSerializer, needs=Ability.MODELS_READ, pages=True)
    def get(self) -> QuerySet[ModelVersion]:
        return versions_of(self.project).order_by("-number")


class VersionDetail(_Versions):
    """Return one model version."""

    @answers(VersionSerializer, needs=Ability.MODELS_READ)
    def get(self, number: int) -> ModelVersion:
        return self.find(number)


class VersionUse(_Versions):
    """Use this version to pick the next batches, until a manager chooses another or the gate decides again."""

    @answers(VersionSerializer, needs=Ability.MODELS_CHANGE)
    def post(self, number: int) -> ModelVersion:
        version = self.find(number)
        version_in_use.use(project=self.project, version=version, user=self.user)
        return version


class VersionRelease(_Versions):
    """Allow members of a private project to download a version that was trained without privacy. The server records who
    allowed it.
    """

    @answers(needs=Ability.MODELS_CHANGE)
    def post(self, number: int) -> None:
        ledger.release(version=self.find(number), user=self.user)


class VersionArtifact(_Versions):
    """Download the version's files in one zip: model.safetensors, README.md (its model card) and manifest.json."""

    @answers({(200, "application/zip"): OpenApiTypes.BINARY}, needs=Ability.MODELS_READ)
    def get(self, number: int) -> FileResponse:
        version = self.find(number)
        if version.is_given:
            raise Http404(f"Version {number} is made of predictions from outside: it has no files.")
        if not ledger.may_be_downloaded(version):
            raise PermissionDenied(ledger.download_refusal(version))
        try:
            archive = artifacts.as_zip(version)
        except artifacts.FolderError as error:
            raise Http404(f"The version’s files are damaged: {artifacts.report(version, str(error))}.") from None
        record_download(self.request, LogKind.MODEL_DOWNLOADED, self.project, subject=f"version {number}")
        return FileResponse(archive, as_attachment=True, filename=f"{self.project.slug}-v{number}.zip")


class InUseSerializer(serializers.Serializer[version_in_use.InUse]):
    """The version that picks the next batch, and the reason for this version."""

    version = fields.Integer("It picks the next batch.", source="version.number")
    newest = fields.Integer("The version that was trained last.", source="newest.number")
    by_gate = fields.Integer(
        "The newest version that is not held back: it picks without a choice.", source="by_gate.number"
    )
    chosen_by = fields.Text(
        "The manager who chose the version; null without a choice.",
        source="choice.user.username",
        allow_null=True,
        default=None,
    )
    chosen_at = fields.Time(source="choice.created_at", allow_null=True, default=None)


class VersionInUse(ProjectView):
    """The version that picks the batches."""

    def find(self) -> version_in_use.InUse:
        used = version_in_use.in_use(self.project)
        if used is None:
            raise Http404("There is no model version yet: the first is trained when the first batch is complete.")
        return used

    @answers(InUseSerializer, needs=Ability.MODELS_READ)
    def get(self) -> version_in_use.InUse:
        """Return the version that picks the next batch, and the reason for this version."""
        return self.find()

    @answers(InUseSerializer, needs=Ability.MODELS_CHANGE)
    def delete(self) -> version_in_use.InUse:
        """End a manager's choice. The newest version that the gate does not hold back picks the batches again."""
        version_in_use.use_gate(project=self.project, user=self.user)
        return self.find()


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

    Meta = fields.shows(Registration, "id name state reason version source url created_by created_at finished_at")

    def get_url(self, registration: Registration) -> str:
        return reverse("api:registration", args=[registration.project.slug, registration.pk])


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
        file, _ = sent(self.request, self.project)
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

    Meta = fields.shows(TrackedVersion, "version state reason model_name model_version page created_at finished_at")

    def get_page(self, tracked: TrackedVersion) -> str:
        return tracking.page_of(tracked)


class VersionInMlflow(ProjectView):
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
