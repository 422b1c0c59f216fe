"""The endpoint of the privacy ledger: the cost of each training, their total, and the budget left."""

from __future__ import annotations

from typing import Any

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
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

    subject = fields.Text("What it learned: answers, or the pool's texts in a pre-training.", source="training.subject")
    batch = fields.Integer("Null for a pre-training.", source="training.batch.number", min_value=1, allow_null=True)
    version = fields.Integer("Null if it did not end.", source="training.version.number", allow_null=True)
    labels = fields.Count(source="training.labels")
    phases = PhaseFigures(source="training.phases", many=True)
    epsilon = fields.Float(
        "Of all trainings up to this one and of those `elsewhere`; null where `flaw` says why none can be stated.",
        allow_null=True,
    )
    started_at = fields.Time(source="training.created_at")


class ElsewhereFigures(fields.Shape):
    """Private trainings of other projects on the same labels: on copies, originals and imports of them."""

    trainings = fields.Count()
    phases = PhaseFigures(many=True, help_text="Of all these trainings.")


class PrivacySerializer(fields.Shape):
    """The budget, the ledger, and the budget left."""

    private = fields.Boolean("Whether trainings are private.")
    limit = fields.Float("ε that all trainings together may cost.", source="project.privacy_epsilon", allow_null=True)
    delta = fields.Float("δ at which ε holds.", source="project.privacy_delta")
    spent = fields.Float(
        "ε of all trainings on these labels, those `elsewhere` too; null as in `trainings`.",
        source="ledger.spent",
        allow_null=True,
    )
    flaw = fields.Text("Why no ε can be stated; empty if it can.", source="ledger.flaw", allow_blank=True)
    left = fields.Count("Trainings that may still start.", source="ledger.left")
    noise = fields.Float("Noise multiplier of the next one.", source="ledger.noise", allow_null=True)
    labels = fields.Count("What the next one would learn from.", source="ledger.labels")
    labels_needed = fields.Integer(
        "About how many labels make it nearly as good as one without privacy.",
        source="ledger.labels_needed",
        allow_null=True,
    )
    trainings = TrainingFigures(many=True, help_text="Of this project.")
    elsewhere = ElsewhereFigures(source="ledger.elsewhere")


class PrivacyDetail(ProjectView):
    """Return the privacy ledger: the noise of each training, ε so far, and the budget left. If no ε can be stated, it
    gives the reason. Trainings of other projects on the same labels count: `elsewhere` lists them.
    """

    @reads()
    @answers(PrivacySerializer, needs=Ability.MODELS_READ)
    def get(self) -> dict[str, Any]:
        state = ledger.ledger_of(self.project)
        trainings = [
            {"training": training, "epsilon": None if state.flaw else cost}
            for training, cost in zip(state.trainings, state.costs, strict=True)
        ]
        private = ledger.is_private(self.project)
        return {"private": private, "project": self.project, "ledger": state, "trainings": trainings}
