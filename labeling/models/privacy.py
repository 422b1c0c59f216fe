"""The ledger of private trainings, and managers' releases of models that are not private.

Trainings and releases are kept as long as their project; a family keeps the trainings of removed projects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from labeling.models.batches import Batch


class LabelFamily(models.Model):
    """Projects that hold the same labels and therefore share one privacy ledger. The family keeps the trainings of
    projects that were removed for good.
    """

    removed_trainings = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Private trainings of removed projects."
    )
    removed_phases = models.JSONField(default=list, help_text="The phases of those trainings, in one list.")
    removed_flaw = models.BooleanField(
        default=False, db_default=False, help_text="Whether a removed project leaves no ε that holds for these labels."
    )

    def __str__(self) -> str:
        return f"label family {self.pk}"


class PrivateTraining(models.Model):
    """One private training, stored before it starts: a training that was killed still counts in full."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="private_trainings")
    batch = models.ForeignKey(
        "labeling.Batch",
        null=True,
        on_delete=models.CASCADE,
        related_name="private_trainings",
        help_text="Null for a pre-training of the encoder on the pool's texts.",
    )
    version = models.OneToOneField(
        "labeling.ModelVersion", null=True, on_delete=models.SET_NULL, related_name="private_training"
    )
    labels = models.PositiveIntegerField(help_text="Labeled items that it learns from; units of a pre-training.")
    phases = models.JSONField(help_text="Noise multiplier, sampling rate and steps of each phase.")
    delta = models.FloatField()
    plan = models.JSONField(null=True, help_text="The budget that its noise follows; null before plans were kept.")
    cost = models.FloatField(
        null=True,
        help_text="The ε of all trainings up to this one, if all follow one plan.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, help_text="When the encoder of a pre-training was stored.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"private training for {self.batch or self.project}"

    @property
    def subject(self) -> str:
        """What it learned, for people."""
        return "answers" if self.batch_id else "pre-training: the pool’s texts"


MOST_UNASKED = 2
"""The trainings for a batch, all killed, after which a worker starts no other one by itself."""


def refusal_to_repeat(batch: Batch | None) -> str:
    """Return why a worker may not repeat the batch's killed training by itself; empty if it may."""
    started = PrivateTraining.objects.filter(batch=batch, version=None).count()
    if started < MOST_UNASKED:
        return ""
    return (
        f"{started} private trainings for this batch were started and did not end, and each spent privacy budget. None "
        "starts by itself any more: see the worker's log, then retry, which spends it once more; or stop the loop."
    )


class Release(models.Model):
    """A manager's permission to download a version's files from a private project after a training without privacy."""

    version = models.OneToOneField("labeling.ModelVersion", on_delete=models.CASCADE, related_name="release")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="releases")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.version} released by {self.user}"
