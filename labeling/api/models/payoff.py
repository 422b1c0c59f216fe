"""The endpoint that estimates whether picking by the model pays off: labels saved, and the gain of the next batch."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.insight.labels_saved import NoFigure
from labeling.insight.payoff import WORTH, Advice, payoff_values
from labeling.models import Ability
from labeling.storage.db.replica import reads


class EstimateFigures(fields.Shape):
    """An estimate with the ends of its 95 % interval; null for a value beyond the limit of the estimate."""

    value = fields.Float(allow_null=True)
    low = fields.Float()
    high = fields.Float(allow_null=True)


class SpentFigures(fields.Shape):
    """The labels that the newest version learned from, the control items labeled until then, and their sum."""

    learned = fields.Count()
    control = fields.Count()
    labels = fields.Count()


class UniformFigures(fields.Shape):
    """The accuracy, measured on `n` items, of models that learned from `labels` labels drawn at random."""

    labels = fields.Count()
    accuracy = fields.Share()
    low = fields.Share()
    high = fields.Share()
    n = fields.Count()


class CurvePoint(fields.Shape):
    """The estimated accuracy after `labels` labels drawn at random."""

    labels = fields.Float(min_value=0)
    accuracy = fields.Share()
    low = fields.Share()
    high = fields.Share()


class SavedFigures(fields.Shape):
    """The labels that uniform sampling would have needed for the same accuracy."""

    labels = EstimateFigures(help_text="`needed`, less the labels spent.")
    needed = EstimateFigures(help_text="Labels drawn at random for the accuracy of the version in use.")
    limit = fields.Count("Items of the pool: what needs more has no upper end.")
    points = UniformFigures(many=True)
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


class PayoffSerializer(fields.Shape):
    """Labels saved, the gain of the next batch, and the advice that follows."""

    advice = fields.Choice(
        [(each.value, each.value) for each in Advice],
        f"`stop`: the next batch brings less than {WORTH} of accuracy, at 95 %. `go-on`: more likely than "
        "not it brings as much. `unclear`: neither. `too-early`: too few control items or versions. `done`: no item is "
        "left.",
    )
    version = fields.Integer("The model version in use.", allow_null=True)
    versions = fields.Count("Model versions that it stands on.")
    control = fields.Count("Labeled control items that it stands on.")
    more_control = fields.Integer("About how many more it takes to tell.", allow_null=True)
    spent = SpentFigures(allow_null=True)
    saved = SavedFigures(allow_null=True)
    missing = fields.Choice([(each.value, each.value) for each in NoFigure], "Why `saved` is null.", allow_null=True)
    reason = fields.Text("Why the estimate failed.", allow_blank=True)
    next = NextFigures(allow_null=True)


class PayoffDetail(ProjectView):
    """Return the labels saved so far, the predicted gain and cost of the next batch, and whether to go on."""

    @reads()
    @answers(PayoffSerializer, needs=Ability.BATCHES_READ)
    def get(self) -> dict[str, Any]:
        return payoff_values(self.project, timezone.now())
