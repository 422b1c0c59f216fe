"""The endpoint of the privacy ledger: the cost of each training, their total, and the budget left."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView
from labeling.models import Ability
from labeling.projects.privacy import ledger
from labeling.storage.db.replica import reads


class PhaseFigures(fields.Shape):
    """A number of steps of one mechanism, with the parameters that a privacy accountant needs."""

    noise_multiplier = fields.Float(min_value=0)
    sampling_rate = fields.Share()
    steps = fields.Count()


class TrainingFigures(fields.Shape):
    """The entry of one training in the ledger, written before the training starts."""

    subject = fields.Text("What it learned: answers, or the pool's texts in a pre-training.")
    batch = fields.Integer("Null for a pre-training.", min_value=1, allow_null=True)
    version = fields.Integer("Null if it did not end.", allow_null=True)
    labels = fields.Count()
    phases = PhaseFigures(many=True)
    epsilon = fields.Float(
        "Of all trainings up to this one and of those `elsewhere`; null where `flaw` says why none can be stated.",
        allow_null=True,
    )
    started_at = fields.Time()


class ElsewhereFigures(fields.Shape):
    """Private trainings of other projects on the same labels: on copies, originals and imports of them."""

    trainings = fields.Count()
    phases = PhaseFigures(many=True, help_text="Of all these trainings.")


class PrivacySerializer(fields.Shape):
    """The budget, the ledger, and the budget left."""

    private = fields.Boolean("Whether trainings are private.")
    limit = fields.Float("ε that all trainings together may cost.", allow_null=True)
    delta = fields.Float("δ at which ε holds.")
    spent = fields.Float(
        "ε of all trainings on these labels, those `elsewhere` too; null as in `trainings`.", allow_null=True
    )
    flaw = fields.Text("Why no ε can be stated; empty if it can.", allow_blank=True)
    left = fields.Count("Trainings that may still start.")
    noise = fields.Float("Noise multiplier of the next one.", allow_null=True)
    labels = fields.Count("What the next one would learn from.")
    labels_needed = fields.Integer(
        "About how many labels make it nearly as good as one without privacy.", allow_null=True
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
