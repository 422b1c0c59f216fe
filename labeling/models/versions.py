"""What was learned: trained networks, and the one clustering of the pool."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def newest(self) -> ModelVersion | None:
        return self.order_by("-number").first()

    def passed(self) -> ModelVersionQuerySet:
        """Versions that the gate let through: of a project that has any, at least the first."""
        return self.filter(held_back=False)

    def without_privacy(self) -> ModelVersionQuerySet:
        """Versions whose training is in no privacy ledger."""
        return self.filter(private_training=None)

    def readable(self) -> ModelVersionQuerySet:
        """Versions whose files are not known to be damaged."""
        return self.filter(damaged="")


class ModelVersion(models.Model):
    """A trained network with its metrics and the labels it saw. Its artifact is a folder below the project's data."""

    class Calibrating(models.TextChoices):
        """How far it is known how sure the version may be."""

        SEALED = "sealed", "as far as its training told"
        WAITING = "waiting", "still to come"
        DONE = "done"
        SKIPPED = "skipped"

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    batch = models.OneToOneField(
        "labeling.Batch", on_delete=models.PROTECT, related_name="model_version", help_text="Its last batch."
    )
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, help_text="The version that picked its last batch."
    )
    artifact = models.CharField(max_length=300, help_text="Folder, relative to the project's data.")
    digest = models.CharField(max_length=64)
    labels_hash = models.CharField(max_length=64, help_text="Over the labeled rows that it saw.")
    labels = models.PositiveIntegerField(help_text="Labeled items that it learned from.")
    classes = models.PositiveIntegerField(null=True, help_text="It knows the classes whose index lies below.")
    seed = models.PositiveBigIntegerField()
    training = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict, help_text="As measured when it was trained.")
    gate = models.JSONField(
        default=dict,
        help_text="How it did beside the version that the gate let through before it; empty if there was none.",
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
        default=dict, help_text="What its calibration needs to know, then what it found, or why there is none."
    )
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["project", "number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="version_number_unique")]

    def __str__(self) -> str:
        return f"{self.project} v{self.number}"

    def step_failed(self, reason: str) -> None:
        """Its calibration failed."""
        self.not_calibrated(f"it failed: {reason}"[:500])

    def not_calibrated(self, reason: str) -> None:
        """Record why the version will never be calibrated; nothing if it is, or a reason is recorded."""
        states = self.Calibrating
        ModelVersion.objects.filter(pk=self.pk, calibrating=states.WAITING).update(
            calibrating=states.SKIPPED, calibration={"reason": reason}
        )

    def calibration_at(self, moment: datetime.datetime | None = None) -> str:
        """The digest of its calibration, of one that was found by that moment; empty if there is none."""
        if self.calibrating != self.Calibrating.DONE:
            return ""
        late = moment is not None and datetime.datetime.fromisoformat(self.calibration["found_at"]) > moment
        return "" if late else str(self.calibration["digest"])


class VersionChoice(models.Model):
    """A manager's word on which version picks the batches. The newest holds; without a version, the gate decides."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="version_choices")
    version = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="choices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="version_choices")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user}'s choice of {self.version or 'what the gate lets through'}"


class Clustering(models.Model):
    """The dendrogram of a project's pool: built once, and rebuilt only if a manager asks for it (`anew_at`). Items that
    came later joined their nearest neighbour.
    """

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="clustering")
    embedded_by = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    rows = models.PositiveBigIntegerField(help_text="Rows that the dendrogram was built over.")
    joined_rows = models.PositiveBigIntegerField(help_text="Rows that have a place in it, later ones included.")
    generation = models.PositiveIntegerField(default=1, help_text="Which dendrogram of the project it is.")
    digest = models.CharField(max_length=64)
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    # How much of the embeddings it describes: of those that it was built from, and of a later version's.
    described_then = models.FloatField(null=True)
    described_now = models.FloatField(null=True)
    measured_by = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")

    anew_at = models.DateTimeField(null=True, help_text="When a manager asked for the pool to be clustered anew.")

    def __str__(self) -> str:
        return f"clustering of {self.project}"

    @property
    def joined_share(self) -> float:
        """The part of its rows that joined later."""
        return 1 - self.rows / self.joined_rows if self.joined_rows else 0.0

    @property
    def kept_share(self) -> float | None:
        """What it describes now as a part of what it described at first; None if that is not measured."""
        if not self.described_then or self.described_now is None:
            return None
        return max(0.0, self.described_now / self.described_then)
