"""Model versions: how each came into the project, managers' choices between them, and the clustering of the pool."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models
from django.utils.translation import gettext

from labeling.models.jobs import Cause


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def newest(self) -> ModelVersion | None:
        return self.order_by("-number").first()

    def passed(self) -> ModelVersionQuerySet:
        """Return versions that the gate did not hold back. The first version of a project always passes."""
        return self.filter(held_back=False)

    def trained(self) -> ModelVersionQuerySet:
        """Return versions that the project trained on its batches."""
        return self.filter(origin=ModelVersion.Origin.TRAINED)

    def without_privacy(self) -> ModelVersionQuerySet:
        """Return versions whose training is not in the privacy ledger."""
        return self.filter(private_training=None)

    def readable(self) -> ModelVersionQuerySet:
        """Return versions whose files are not known to be damaged."""
        return self.filter(damaged="")


class ModelVersion(models.Model):
    """A trained network with its metrics and a hash of its labels. The artifact is a folder in the project's data."""

    class Origin(models.TextChoices):
        """The way by which a version came into the project. Only a trained version has a batch and labels."""

        TRAINED = "trained", "trained here"
        REGISTERED = "registered", "registered"
        GIVEN = "given", "predictions from outside"

    class Calibrating(models.TextChoices):
        """The state of the version's calibration after its training."""

        SEALED = "sealed", "from its training alone"
        WAITING = "waiting", "still to come"
        DONE = "done"
        SKIPPED = "skipped"

    admin_columns = ("project", "number", "labels", "seconds", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    origin = models.CharField(
        max_length=10,
        choices=Origin,
        default=Origin.TRAINED,
        db_default=Origin.TRAINED.value,
        help_text="How it came into the project.",
    )
    batch = models.OneToOneField(
        "labeling.Batch", null=True, on_delete=models.PROTECT, related_name="model_version", help_text="Its last batch."
    )
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, help_text="The version that picked its last batch."
    )
    artifact = models.CharField(max_length=300, help_text="Folder, relative to the project's data.")
    digest = models.CharField(max_length=64)
    labels_hash = models.CharField(max_length=64, help_text="Over the labeled rows that it saw.")
    labels = models.PositiveIntegerField(help_text="Labeled items that it learned from.")
    dataset = models.ForeignKey(
        "labeling.DatasetVersion",
        null=True,
        on_delete=models.PROTECT,
        related_name="versions",
        help_text="Has all labels that it learned from, and those of control items.",
    )
    classes = models.PositiveIntegerField(null=True, help_text="It knows the classes whose index lies below.")
    seed = models.PositiveBigIntegerField()
    training = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict, help_text="As measured when it was trained.")
    gate = models.JSONField(
        default=dict,
        help_text="The comparison with the version that passed the gate before it; empty if there was none.",
    )
    held_back = models.BooleanField(default=False, help_text="Worse than that version: it picks no batch by itself.")
    damaged = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="What is wrong with its files; it picks no batch meanwhile.",
    )
    calibrating = models.CharField(max_length=10, choices=Calibrating, default=Calibrating.SEALED)
    calibration = models.JSONField(
        default=dict, help_text="The input of its calibration, then the result, or the reason why there is none."
    )
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["project", "number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="version_number_unique")]

    def __str__(self) -> str:
        return f"{self.project} v{self.number}"

    @property
    def is_given(self) -> bool:
        """Whether it is made of predictions from outside: it has no model, and predicts only items of the pool."""
        return self.origin == self.Origin.GIVEN

    @property
    def files(self) -> str:
        """The name of what it predicts from, below the project's folder: its artifact, or the predictions from
        outside.
        """
        return str(self.prediction_set.file_name) if self.is_given else self.artifact

    @property
    def no_model(self) -> str:
        """The reason why it predicts no further items; "" if it has a model."""
        if not self.is_given:
            return ""
        text = gettext("Version %(number)s consists of external predictions. It has no model to predict other items.")
        return text % {"number": self.number}

    @property
    def answers(self) -> bool:
        """Whether it predicts answers; if not, it has only margins."""
        return self.classes != 0

    @property
    def last_batch(self) -> int:
        """The number of the last batch that it learned from; 0 if it was not trained here."""
        return self.batch.number if self.batch else 0

    def step_failed(self, reason: str) -> None:
        """Record that the calibration failed. Called when its step fails."""
        self.not_calibrated(f"it failed: {reason}"[:500])

    def not_calibrated(self, reason: str) -> None:
        """Record the reason why the version will not be calibrated, if its calibration is still to come."""
        states = self.Calibrating
        ModelVersion.objects.filter(pk=self.pk, calibrating=states.WAITING).update(
            calibrating=states.SKIPPED, calibration={"reason": reason}
        )

    def calibration_at(self, moment: datetime.datetime | None = None) -> str:
        """Return the digest of the version's calibration; empty if it has none, or got it after `moment`."""
        if self.calibrating != self.Calibrating.DONE:
            return ""
        late = moment is not None and datetime.datetime.fromisoformat(self.calibration["found_at"]) > moment
        return "" if late else str(self.calibration["digest"])


class RegistrationQuerySet(models.QuerySet["Registration"]):
    def waiting(self) -> RegistrationQuerySet:
        return self.filter(state=Registration.State.WAITING)


class Registration(Cause):
    """A file with a model that a member sent, until a worker has made a model version of it, or refused it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    admin_columns = ("project", "name", "state", "version", "created_by", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="registrations")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="registration")
    name = models.CharField(max_length=200, help_text="The file's name, as people know it.")
    path = models.CharField(max_length=1000, help_text="Where it lies until a worker has read it.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    source = models.JSONField(default=dict, help_text="Its format, its hash, and what its manifest says.")
    version = models.OneToOneField(
        "labeling.ModelVersion", null=True, on_delete=models.PROTECT, related_name="registration"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = RegistrationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"


class TrackedVersion(Cause):
    """The request of a member to register a version in MLflow, and its result. A later request takes its place."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="tracked_versions")
    version = models.OneToOneField("labeling.ModelVersion", on_delete=models.CASCADE, related_name="tracked")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="tracked")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    model_name = models.CharField(max_length=250, blank=True, help_text="The registered model in MLflow.")
    model_version = models.PositiveIntegerField(null=True, help_text="Its version there.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.version} in MLflow ({self.state})"


class VersionChoice(models.Model):
    """A manager's choice of the version that picks batches. The newest counts; without a version, the gate decides."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="version_choices")
    version = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="choices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="version_choices")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user}'s choice of {self.version or 'what the gate lets through'}"


class Clustering(models.Model):
    """The dendrogram of a project's pool: built once, and rebuilt only if a manager asks for it (`anew_at`). Later
    items join it beside their nearest neighbour.
    """

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="clustering")
    embedded_by = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    rows = models.PositiveBigIntegerField(help_text="Rows that the dendrogram was built over.")
    joined_rows = models.PositiveBigIntegerField(help_text="Rows that have a place in it, later ones included.")
    generation = models.PositiveIntegerField(default=1, help_text="Which dendrogram of the project it is.")
    digest = models.CharField(max_length=64)
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    # 1 − mean distance within clusters / mean distance of two items: by the embeddings that the dendrogram was built
    # from, and by those of the version `measured_by`.
    described_then = models.FloatField(null=True)
    described_now = models.FloatField(null=True)
    measured_by = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")

    anew_at = models.DateTimeField(null=True, help_text="When a manager asked for the pool to be clustered anew.")

    def __str__(self) -> str:
        return f"clustering of {self.project}"

    @property
    def joined_share(self) -> float:
        """The share of its rows that joined after it was built."""
        return 1 - self.rows / self.joined_rows if self.joined_rows else 0.0

    @property
    def kept_share(self) -> float | None:
        """Return `described_now` as a share of `described_then`; None if they were not measured."""
        if not self.described_then or self.described_now is None:
            return None
        return max(0.0, self.described_now / self.described_then)
