"""The endpoint that compares two model versions."""

from __future__ import annotations

from typing import Any

import numpy as np
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.models.versions import ControlFigures
from labeling.api.projects.agreement import IntervalFigures
from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, find_or_404
from labeling.insight.versions_compared import OnControl, OnPool, Side, compare_versions
from labeling.models import Ability, Project
from labeling.storage.db.replica import reads

# The most listed items that two versions predict differently, the most confident predictions first.
LISTED = 100
NUMBER = {"type": "integer", "minimum": 1, "maximum": fields.MAX_INT}
PARAMETERS = [
    OpenApiParameter("a", NUMBER, required=True, description="The version to compare with."),
    OpenApiParameter("b", NUMBER, required=True, description="The version to be compared."),
]


class VersionPair(fields.Shape):
    a = serializers.IntegerField(min_value=1, max_value=fields.MAX_INT)
    b = serializers.IntegerField(min_value=1, max_value=fields.MAX_INT)


class SideFigures(ControlFigures):
    calibration_error = fields.Float("Expected calibration error, equal mass.", allow_null=True)
    sure = fields.Float("Its mean confidence.", allow_null=True)


class DifferenceFigures(IntervalFigures):
    """The accuracy of b minus that of a on the same items, with its 95 % interval."""


class ClassPair(fields.Shape):
    name = fields.Text()
    truth = fields.Integer("Control items of the class.")
    recall_a = fields.Float(allow_null=True)
    recall_b = fields.Float(allow_null=True)
    recall_differs = fields.Boolean("By more than noise, all classes taken into account.")
    precision_a = fields.Float(allow_null=True)
    precision_b = fields.Float(allow_null=True)
    precision_differs = fields.Boolean()


class MistakePair(fields.Shape):
    truth = fields.Text()
    said = fields.Text("What they were taken for.")
    a = fields.Integer("So many by a.")
    b = fields.Integer("So many by b.")


class ItemApart(fields.Shape):
    id = fields.Integer()
    external_id = fields.Text()
    label = fields.Text()  # type: ignore[assignment]  # a field that DRF has an attribute for
    a = fields.Text("What a takes it for.")
    b = fields.Text("What b takes it for.")


class KindApart(fields.Shape):
    a = fields.Text()
    b = fields.Text()
    items = fields.Integer()


class ControlComparison(fields.Shape):
    """The comparison on the control items that both versions predicted."""

    n = fields.Integer()
    a = SideFigures()
    b = SideFigures()
    difference = DifferenceFigures()
    gained = fields.Integer("Items that only b has right.")
    lost = fields.Integer("Items that only a has right.")
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

    subject = "Models"
    reading = Ability.MODELS_READ

    @extend_schema(parameters=PARAMETERS, responses=ComparisonResponse)
    @reads()
    def get(self, request: Request, slug: str) -> Response:
        versions = fields.read_body(VersionPair, request.query_params)
        a, b = (
            find_or_404(self.project.versions.all(), f"There is no model version {number} here.", number=number)
            for number in (versions["a"], versions["b"])
        )
        comparison = compare_versions(self.project, a, b)
        names = _names(self.project)
        return Response(
            {
                "a": a.number,
                "b": b.number,
                "same_labels": a.labels_hash == b.labels_hash != "",
                "control": _control(self.project, comparison.control, names) if comparison.control else None,
                "pool": _pool(comparison.pool, names) if comparison.pool else None,
            }
        )


def _names(project: Project) -> dict[int, str]:
    return dict(enumerate(project.asks.answers)) or dict(project.classes.values_list("index", "name"))


def _control(project: Project, on_control: OnControl, names: dict[int, str]) -> dict[str, Any]:
    verdict = "better" if on_control.compared.better else "worse" if on_control.compared.worse else "unknown"
    return {
        "n": on_control.compared.n,
        "a": _side(on_control.a),
        "b": _side(on_control.b),
        "difference": {name: getattr(on_control.difference, name) for name in ("value", "low", "high")},
        "gained": on_control.compared.gained,
        "lost": on_control.compared.lost,
        "verdict": verdict,
        "classes": list(_classes(on_control, names)),
        "mistakes": [
            {"truth": names[each.truth], "said": names[each.predicted], "a": each.a, "b": each.b}
            for each in on_control.mistakes
        ],
        "apart": len(on_control.apart),
        "items": list(_items(project, on_control, names)),
    }


def _side(side: Side) -> dict[str, Any]:
    calibration = side.calibration
    return {
        "accuracy": side.right.value,
        "low": side.right.low,
        "high": side.right.high,
        "n": side.right.n,
        "calibration_error": calibration.ece if calibration else None,
        "sure": calibration.sure if calibration else None,
    }


def _classes(on_control: OnControl, names: dict[int, str]) -> Any:
    each = on_control.classes
    for index in np.flatnonzero(each.truth + each.predicted_a + each.predicted_b):
        truth = int(each.truth[index])
        yield {
            "name": names[int(index)],
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


def _items(project: Project, on_control: OnControl, names: dict[int, str]) -> Any:
    pair, places = on_control.pair, on_control.apart[:LISTED]
    rows = project.items.filter(row__in=[int(row) for row in pair.rows[places]]).values_list("row", "pk", "external_id")
    known = {row: (pk, external_id) for row, pk, external_id in rows}
    for place in places:
        pk, external_id = known[int(pair.rows[place])]
        predicted = {name: names[int(each[place])] for name, each in (("a", pair.said_a), ("b", pair.said_b))}
        yield {"id": pk, "external_id": external_id, "label": names[int(pair.labels[place])], **predicted}


def _pool(on_pool: OnPool, names: dict[int, str]) -> dict[str, Any]:
    kinds = [{"a": names[a], "b": names[b], "items": items} for a, b, items in on_pool.kinds]
    return {"n": on_pool.n, "apart": on_pool.apart, "kinds": kinds}
