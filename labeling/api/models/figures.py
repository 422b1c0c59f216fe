"""Endpoints of figures: what picking pays, what privacy costs, how the clustering fits, and how well people agree."""

from dataclasses import asdict
from typing import Any

from django.http import Http404
from django.utils import timezone
from rest_framework import serializers

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.insight import clusterings
from labeling.insight.agreement import Agreement, ClassAgreement, PersonConfusion, agreement_of
from labeling.insight.anchoring import Anchoring, MatchShare, anchoring_of
from labeling.insight.annotators import Rate
from labeling.insight.bootstrap import Estimate
from labeling.insight.copy_figures import CopyFigures, copy_figures
from labeling.insight.labels_saved import LabelsSpent, Saved
from labeling.insight.measured_blind import MeasuredBlind, measured_blind
from labeling.insight.payoff import Payoff, payoff_values
from labeling.models import Ability, Clustering
from labeling.projects.privacy import ledger
from labeling.storage.db.replica import reads
from labeling.storage.disk.files import FileDamaged
from models_store.payoff import OpenEstimate
from models_store.privacy.accounting import Phase

EstimateFigures = fields.shape_of(OpenEstimate, "EstimateFigures")


class SpentFigures(fields.shape_of(LabelsSpent)):  # type: ignore[misc]  # a class that is made of another
    labels = fields.Count()


class CurvePoint(fields.Shape):
    """The estimated accuracy after `labels` labels drawn at random."""

    labels = fields.Float(min_value=0)
    accuracy = fields.Share()
    low = fields.Share()
    high = fields.Share()


class SavedFigures(fields.shape_of(Saved, without="curve")):  # type: ignore[misc]
    curve = CurvePoint(many=True)


class NextFigures(fields.Shape):
    """The gain in accuracy and the cost of the batch after the newest version."""

    items = fields.Count()
    labels = fields.Count("Of these, what the next version learns from.")
    expected = EstimateFigures(help_text="Accuracy gained, in shares of 1, whatever luck the next version has.")
    predicted = EstimateFigures(help_text="The same with its luck: a prediction interval.")
    hours = fields.Float("Of labeling; null until a pace is known.", allow_null=True)
    cost = fields.Float("Null unless the project says what an hour costs.", allow_null=True)
    currency = fields.Text(allow_blank=True)


class PayoffSerializer(fields.shape_of(Payoff, without="spent saved next learned")):  # type: ignore[misc]
    spent = SpentFigures(allow_null=True)
    saved = SavedFigures(allow_null=True)
    next = NextFigures(allow_null=True)


class PayoffDetail(ProjectView):
    """Return the labels saved so far, the predicted gain and cost of the next batch, and whether to go on."""

    @reads()
    @answers(PayoffSerializer, needs=Ability.BATCHES_READ)
    def get(self) -> dict[str, Any]:
        return payoff_values(self.project, timezone.now())


class TrainingFigures(fields.Shape):
    """The entry of one training in the ledger, written before the training starts."""

    subject = fields.Text("What it learned: answers, or the pool's texts in a pre-training.", source="training.subject")
    batch = fields.Integer("Null for a pre-training.", source="training.batch.number", min_value=1, allow_null=True)
    version = fields.Integer("Null if it did not end.", source="training.version.number", allow_null=True)
    labels = fields.Count(source="training.labels")
    phases = fields.shape_of(Phase)(source="training.phases", many=True)
    epsilon = fields.Float(
        "Of all trainings up to this one and of those `elsewhere`; null where `flaw` says why none can be stated.",
        allow_null=True,
    )
    started_at = fields.Time(source="training.created_at")


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
    elsewhere = fields.shape_of(ledger.Elsewhere)(source="ledger.elsewhere")


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


class MeasuredBlindDetail(ProjectView):
    """Return how often predictions from outside were right where people answered without seeing a prediction, with the
    same figures of people, the confusions, the calibration, and whether they could stand in for a person.

    Respond with 404 if the version is not made of such predictions, or if these are no answers to compare with labels.
    """

    @reads()
    @answers(fields.shape_of(MeasuredBlind), needs=Ability.MODELS_READ)
    def get(self, number: int) -> MeasuredBlind:
        version = self.one_of(self.project.versions.select_related("prediction_set"), "model version", number=number)
        try:
            found = measured_blind(self.project, version)
        except FileDamaged as error:
            raise Http404(f"The predictions of version {number} are damaged: {error.problem}.") from None
        if found is None:
            raise Http404(f"Version {number} has no answers from outside that could be compared with labels.")
        return found


class ClusteringSerializer(serializers.ModelSerializer[Clustering]):
    """The clustering, the version whose embeddings it was built from, and the drift of pool and embeddings since."""

    embedded_by = fields.Integer("The model version whose embeddings it was built from.", source="embedded_by.number")
    joined_share = fields.Share("The part of its rows that joined after it was built.")
    measured_by = fields.Integer(
        "The version that `described_now` was measured with.", source="measured_by.number", allow_null=True
    )
    described_then = fields.Float(
        "1 - mean distance within clusters / mean distance of any two items, by the embeddings it was built from.",
        allow_null=True,
    )
    described_now = fields.Float("The same by the embeddings of `measured_by`.", allow_null=True)
    kept_share = fields.Float("`described_now` as a part of `described_then`.", allow_null=True)
    drifted = fields.Computed(
        f"More than {clusterings.MOST_JOINED} joined later, or less than {clusterings.LEAST_KEPT} is kept."
    )

    Meta = fields.shows(
        Clustering,
        "rows joined_rows joined_share embedded_by digest described_then described_now measured_by kept_share "
        "drifted anew_at seconds created_at",
    )

    def get_drifted(self, clustering: Clustering) -> bool:
        return clusterings.drift_of(clustering).far


class _Clustering(ProjectView):
    def find(self) -> Clustering:
        clustering = clusterings.clustering_of(self.project)
        if clustering is None:
            raise Http404("The pool is not clustered yet. Clustering runs before the second batch.")
        return clustering


class ClusteringDetail(_Clustering):
    """Return the clustering of the pool and how well it still fits."""

    @answers(ClusteringSerializer, needs=Ability.MODELS_READ)
    def get(self) -> Clustering:
        return self.find()


class ClusteringAnew(_Clustering):
    @answers(ClusteringSerializer, needs=Ability.MODELS_CHANGE)
    def post(self) -> Clustering:
        """Rebuild the clustering before the next batch, from the embeddings of the version that picks the batch."""
        clusterings.ask_rebuild(project=self.project)
        return self.find()

    @answers(ClusteringSerializer, needs=Ability.MODELS_CHANGE)
    def delete(self) -> Clustering:
        """Withdraw the request to rebuild the clustering."""
        clusterings.withdraw_rebuild(project=self.project)
        return self.find()


IntervalFigures = fields.shape_of(Estimate, "IntervalFigures")
# As earlier releases called them in the published schema.
fields.shape_of(Rate, "RightFigures")
fields.shape_of(MatchShare, "ChosenShare")
fields.shape_of(ClassAgreement, "ClassFigures")
fields.shape_of(PersonConfusion, "PersonFigures")


class AgreementSerializer(fields.shape_of(Agreement)):  # type: ignore[misc]  # a class that is made of another
    __doc__ = Agreement.__doc__

    anchoring = fields.shape_of(Anchoring)(
        allow_null=True, help_text="Of the newest 20,000 answers; null where annotators are shown no predictions."
    )


class AgreementDetail(ProjectView):
    """Return how well annotators agree beyond chance, by pair and class, and which classes each one confuses."""

    @reads()
    @answers(AgreementSerializer, needs=Ability.LABELS_READ)
    def get(self) -> dict[str, Any]:
        return asdict(agreement_of(self.project)) | {"anchoring": anchoring_of(self.project)}


class NearCopies(ProjectView):
    """Return how many near-copies have the label of their source, and how many checks confirm these labels."""

    @reads()
    @answers(fields.shape_of(CopyFigures, "Copies"), needs=Ability.LABELS_READ)
    def get(self) -> CopyFigures:
        return copy_figures(self.project)
