"""The endpoint that estimates whether picking by the model pays off: labels saved, and the gain of the next batch."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView
from labeling.insight.labels_saved import NoFigure
from labeling.insight.payoff import WORTH, Advice, payoff_values
from labeling.models import Ability
from labeling.storage.db.replica import reads


class EstimateFigures(serializers.Serializer[Any]):
    """An estimate with the ends of its 95 % interval; null for a value beyond the limit of the estimate."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField()
    high = serializers.FloatField(allow_null=True)


class SpentFigures(serializers.Serializer[Any]):
    """The labels that the newest version learned from, the control items labeled until then, and their sum."""

    learned = serializers.IntegerField(min_value=0)
    control = serializers.IntegerField(min_value=0)
    labels = serializers.IntegerField(min_value=0)


class UniformFigures(serializers.Serializer[Any]):
    """The accuracy, measured on `n` items, of models that learned from `labels` labels drawn at random."""

    labels = serializers.IntegerField(min_value=0)
    accuracy = serializers.FloatField(min_value=0, max_value=1)
    low = serializers.FloatField(min_value=0, max_value=1)
    high = serializers.FloatField(min_value=0, max_value=1)
    n = serializers.IntegerField(min_value=0)


class CurvePoint(serializers.Serializer[Any]):
    """The estimated accuracy after `labels` labels drawn at random."""

    labels = serializers.FloatField(min_value=0)
    accuracy = serializers.FloatField(min_value=0, max_value=1)
    low = serializers.FloatField(min_value=0, max_value=1)
    high = serializers.FloatField(min_value=0, max_value=1)


class SavedFigures(serializers.Serializer[Any]):
    """The labels that uniform sampling would have needed for the same accuracy."""

    labels = EstimateFigures(help_text="`needed`, less the labels spent.")
    needed = EstimateFigures(help_text="Labels drawn at random for the accuracy of the version in use.")
    limit = serializers.IntegerField(min_value=0, help_text="Items of the pool: what needs more has no upper end.")
    points = UniformFigures(many=True)
    curve = CurvePoint(many=True)


class NextFigures(serializers.Serializer[Any]):
    """The gain in accuracy and the cost of the batch after the newest version."""

    items = serializers.IntegerField(min_value=0)
    labels = serializers.IntegerField(min_value=0, help_text="Of these, what the next version learns from.")
    expected = EstimateFigures(help_text="Accuracy gained, in shares of 1, whatever luck the next version has.")
    predicted = EstimateFigures(help_text="The same with its luck: a prediction interval.")
    hours = serializers.FloatField(allow_null=True, help_text="Of labeling; null until a pace is known.")
    cost = serializers.FloatField(allow_null=True, help_text="Null unless the project says what an hour costs.")
    currency = serializers.CharField(allow_blank=True)


class PayoffSerializer(serializers.Serializer[Any]):
    """Labels saved, the gain of the next batch, and the advice that follows."""

    advice = serializers.ChoiceField(
        choices=[(each.value, each.value) for each in Advice],
        help_text=f"`stop`: the next batch brings less than {WORTH} of accuracy, at 95 %. `go-on`: more likely than "
        "not it brings as much. `unclear`: neither. `too-early`: too few control items or versions. `done`: no item is "
        "left.",
    )
    version = serializers.IntegerField(allow_null=True, help_text="The model version in use.")
    versions = serializers.IntegerField(min_value=0, help_text="Model versions that it stands on.")
    control = serializers.IntegerField(min_value=0, help_text="Labeled control items that it stands on.")
    more_control = serializers.IntegerField(allow_null=True, help_text="About how many more it takes to tell.")
    spent = SpentFigures(allow_null=True)
    saved = SavedFigures(allow_null=True)
    missing = serializers.ChoiceField(
        choices=[(each.value, each.value) for each in NoFigure], allow_null=True, help_text="Why `saved` is null."
    )
    reason = serializers.CharField(allow_blank=True, help_text="Why the estimate failed.")
    next = NextFigures(allow_null=True)


class PayoffDetail(ProjectView):
    """Return the labels saved so far, the predicted gain and cost of the next batch, and whether to go on."""

    subject = "Models"
    reading = Ability.BATCHES_READ

    @extend_schema(responses=PayoffSerializer)
    @reads()
    def get(self, request: Request, slug: str) -> Response:
        return Response(PayoffSerializer(payoff_values(self.project, timezone.now())).data)
