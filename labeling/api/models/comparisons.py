"""The endpoint that compares two model versions."""

from typing import Any

import numpy as np
from rest_framework import serializers

from labeling.api.models.versions import ControlFigures
from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.insight.versions_compared import ClassContrast, Difference, OnControl, OnPool, compare_versions
from labeling.models import Ability, Project
from labeling.storage.db.replica import reads

# The most listed items that two versions predict differently, the most confident predictions first.
LISTED = 100


class VersionPair(fields.Shape):
    a = serializers.IntegerField(min_value=1, max_value=fields.MAX_INT, help_text="The version to compare with.")
    b = serializers.IntegerField(min_value=1, max_value=fields.MAX_INT, help_text="The version to be compared.")


class ClassName(fields.Text):
    """The name of a class, of its index. The context has the `names`."""

    def to_representation(self, value: Any) -> str:
        return str(self.context["names"][value])


class SideFigures(ControlFigures):
    accuracy = fields.Share(source="right.value", allow_null=True)
    low = fields.Share(source="right.low")
    high = fields.Share(source="right.high")
    n = fields.Count(source="right.n")
    calibration_error = fields.Float(
        "Expected calibration error, equal mass.", source="calibration.ece", allow_null=True
    )
    sure = fields.Float("Its mean confidence.", source="calibration.sure", allow_null=True)


class ClassPair(fields.Shape):
    name = ClassName()
    truth = fields.Integer("Control items of the class.")
    recall_a = fields.Float(allow_null=True)
    recall_b = fields.Float(allow_null=True)
    recall_differs = fields.Boolean("By more than noise, all classes taken into account.")
    precision_a = fields.Float(allow_null=True)
    precision_b = fields.Float(allow_null=True)
    precision_differs = fields.Boolean()


class MistakePair(fields.Shape):
    truth = ClassName()
    said = ClassName("What they were taken for.", source="predicted")
    a = fields.Integer("So many by a.")
    b = fields.Integer("So many by b.")


class ItemApart(fields.Shape):
    id = fields.Integer()
    external_id = fields.Text()
    label = ClassName()  # type: ignore[assignment]  # a field that DRF has an attribute for
    a = ClassName("What a takes it for.")
    b = ClassName("What b takes it for.")


class KindApart(fields.Shape):
    a = ClassName()
    b = ClassName()
    items = fields.Integer()


class ControlComparison(fields.Shape):
    """The comparison on the control items that both versions predicted."""

    n = fields.Integer(source="compared.n")
    a = SideFigures()
    b = SideFigures()
    difference = fields.shape_of(Difference)()
    gained = fields.Integer("Items that only b has right.", source="compared.gained")
    lost = fields.Integer("Items that only a has right.", source="compared.lost")
    verdict = fields.Choice(["better", "worse", "unknown"], "Of b, by the exact sign test at 5 %.")
    classes = ClassPair(many=True)
    mistakes = MistakePair(many=True, help_text="Those whose number changed most.")
    apart = fields.Integer("Items that they take for something else.")
    items = ItemApart(many=True, help_text="The first 100 of these.")


class PoolComparison(fields.Shape):
    """The comparison on all items that both versions predicted."""

    n = fields.Integer()
    apart = fields.Integer()
    kinds = KindApart(many=True, help_text="The most frequent ones.")


class ComparisonResponse(fields.Shape):
    a = fields.Integer()
    b = fields.Integer()
    same_labels = fields.Boolean("Whether both learned from the very same labels.")
    control = ControlComparison(allow_null=True, help_text="null for `multi`, or if one has not seen the pool.")
    pool = PoolComparison(allow_null=True)


class VersionComparison(ProjectView):
    """Compare two model versions on the same control items and on the whole pool."""

    def context_of(self, result: Any) -> dict[str, Any]:
        fixed = dict(enumerate(self.project.asks.answers))
        return {"names": fixed or dict(self.project.classes.values_list("index", "name"))}

    @reads()
    @answers(ComparisonResponse, needs=Ability.MODELS_READ, query=VersionPair)
    def get(self) -> dict[str, Any]:
        a, b = (
            find_or_404(self.project.versions.all(), f"There is no model version {number} here.", number=number)
            for number in (self.query["a"], self.query["b"])
        )
        comparison = compare_versions(self.project, a, b)
        return {
            "a": a.number,
            "b": b.number,
            "same_labels": a.labels_hash == b.labels_hash != "",
            "control": comparison.control and _control(self.project, comparison.control),
            "pool": comparison.pool and _pool(comparison.pool),
        }


def _control(project: Project, on_control: OnControl) -> dict[str, Any]:
    verdict = "better" if on_control.compared.better else "worse" if on_control.compared.worse else "unknown"
    return {
        "compared": on_control.compared,
        "a": on_control.a,
        "b": on_control.b,
        "difference": on_control.difference,
        "verdict": verdict,
        "classes": list(_classes(on_control.classes)),
        "mistakes": on_control.mistakes,
        "apart": len(on_control.apart),
        "items": list(_items(project, on_control)),
    }


def _classes(each: ClassContrast) -> Any:
    for index in np.flatnonzero(each.truth + each.predicted_a + each.predicted_b):
        truth = int(each.truth[index])
        yield {
            "name": int(index),
            "truth": truth,
            "recall_a": _share(each.correct_a[index], truth),
            "recall_b": _share(each.correct_b[index], truth),
            "recall_differs": bool(each.recall_differs[index]),
            "precision_a": _share(each.correct_a[index], each.predicted_a[index]),
            "precision_b": _share(each.correct_b[index], each.predicted_b[index]),
            "precision_differs": bool(each.precision_differs[index]),
        }


def _share(right: Any, of: Any) -> float | None:
    return int(right) / int(of) if of else None


def _items(project: Project, on_control: OnControl) -> Any:
    pair, places = on_control.pair, on_control.apart[:LISTED]
    rows = project.items.filter(row__in=[int(row) for row in pair.rows[places]]).values_list("row", "pk", "external_id")
    known = {row: (pk, external_id) for row, pk, external_id in rows}
    for place in places:
        pk, external_id = known[int(pair.rows[place])]
        classes = {"label": int(pair.labels[place]), "a": int(pair.said_a[place]), "b": int(pair.said_b[place])}
        yield {"id": pk, "external_id": external_id, **classes}


def _pool(on_pool: OnPool) -> dict[str, Any]:
    kinds = [{"a": a, "b": b, "items": items} for a, b, items in on_pool.kinds]
    return {"n": on_pool.n, "apart": on_pool.apart, "kinds": kinds}
