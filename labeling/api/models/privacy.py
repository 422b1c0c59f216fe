"""The endpoint of the privacy ledger: the cost of each training, their total, and the budget left."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView
from labeling.models import Ability
from labeling.projects.privacy import ledger
from labeling.storage.db.replica import reads


class PhaseFigures(serializers.Serializer[Any]):
    """A number of steps of one mechanism, with the parameters that a privacy accountant needs."""

    noise_multiplier = serializers.FloatField(min_value=0)
    sampling_rate = serializers.FloatField(min_value=0, max_value=1)
    steps = serializers.IntegerField(min_value=0)


class TrainingFigures(serializers.Serializer[Any]):
    """The entry of one training in the ledger, written before the training starts."""

    subject = serializers.CharField(help_text="What it learned: answers, or the pool's texts in a pre-training.")
    batch = serializers.IntegerField(min_value=1, allow_null=True, help_text="Null for a pre-training.")
    version = serializers.IntegerField(allow_null=True, help_text="Null if it did not end.")
    labels = serializers.IntegerField(min_value=0)
    phases = PhaseFigures(many=True)
    epsilon = serializers.FloatField(
        allow_null=True,
        help_text="Of all trainings up to this one and of those `elsewhere`; null where `flaw` says why none can be "
        "stated.",
    )
    started_at = serializers.DateTimeField()


class ElsewhereFigures(serializers.Serializer[Any]):
    """Private trainings of other projects on the same labels: on copies, originals and imports of them."""

    trainings = serializers.IntegerField(min_value=0)
    phases = PhaseFigures(many=True, help_text="Of all these trainings.")


class PrivacySerializer(serializers.Serializer[Any]):
    """The budget, the ledger, and the budget left."""

    private = serializers.BooleanField(help_text="Whether trainings are private.")
    limit = serializers.FloatField(allow_null=True, help_text="ε that all trainings together may cost.")
    delta = serializers.FloatField(help_text="δ at which ε holds.")
    spent = serializers.FloatField(
        allow_null=True,
        help_text="ε of all trainings on these labels, those `elsewhere` too; null as in `trainings`.",
    )
    flaw = serializers.CharField(allow_blank=True, help_text="Why no ε can be stated; empty if it can.")
    left = serializers.IntegerField(min_value=0, help_text="Trainings that may still start.")
    noise = serializers.FloatField(allow_null=True, help_text="Noise multiplier of the next one.")
    labels = serializers.IntegerField(min_value=0, help_text="What the next one would learn from.")
    labels_needed = serializers.IntegerField(
        allow_null=True, help_text="About how many labels make it nearly as good as one without privacy."
    )
    trainings = TrainingFigures(many=True, help_text="Of this project.")
    elsewhere = ElsewhereFigures()


class PrivacyDetail(ProjectView):
    """Return the privacy ledger: the noise of each training, ε so far, and the budget left. If no ε can be stated, it
    gives the reason. Trainings of other projects on the same labels count: `elsewhere` lists them.
    """

    subject = "Models"
    reading = Ability.MODELS_READ

    @extend_schema(responses=PrivacySerializer)
    @reads()
    def get(self, request: Request, slug: str) -> Response:
        project = self.project
        state = ledger.ledger_of(project)
        trainings = [
            {
                "subject": training.subject,
                "batch": training.batch and training.batch.number,
                "version": training.version and training.version.number,
                "labels": training.labels,
                "phases": training.phases,
                "epsilon": None if state.flaw else cost,
                "started_at": training.created_at,
            }
            for training, cost in zip(state.trainings, state.costs, strict=True)
        ]
        facts = {
            "private": ledger.is_private(project),
            "limit": project.privacy_epsilon,
            "delta": project.privacy_delta,
            "spent": state.spent,
            "flaw": state.flaw,
            "left": state.left,
            "noise": state.noise,
            "labels": state.labels,
            "labels_needed": state.labels_needed,
            "trainings": trainings,
            "elsewhere": {
                "trainings": state.elsewhere.trainings,
                "phases": [phase._asdict() for phase in state.elsewhere.phases],
            },
        }
        return Response(PrivacySerializer(facts).data)
