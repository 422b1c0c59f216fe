"""Endpoints for the clustering of the pool: its fit, and a manager's request to rebuild it."""

from __future__ import annotations

from django.http import Http404
from rest_framework import serializers

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.insight import clusterings
from labeling.models import Ability, Clustering


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

    class Meta:
        model = Clustering
        fields = read_only_fields = fields.words(
            "rows joined_rows joined_share embedded_by digest described_then described_now measured_by kept_share "
            "drifted anew_at seconds created_at"
        )

    def get_drifted(self, clustering: Clustering) -> bool:
        return clusterings.drift_of(clustering).far


class _Clustering(ProjectView):
    """Base of the endpoints of the clustering."""

    def find(self) -> Clustering:
        clustering = clusterings.clustering_of(self.project)
        if clustering is None:
            raise Http404("The pool is not clustered yet: that is done before the second batch.")
        return clustering


class ClusteringDetail(_Clustering):
    """Return the clustering of the pool and how well it still fits."""

    @answers(ClusteringSerializer, needs=Ability.MODELS_READ)
    def get(self) -> Clustering:
        return self.find()


class ClusteringAnew(_Clustering):
    """A manager's request to rebuild the clustering."""

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
