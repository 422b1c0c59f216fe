"""The layout of predicted rows. No torch: pages use it too.

A row holds

    where           its place in the file: "line 17", "cats/a.png"
    external_id     as an import would name it
    proposed        for `verify`: the class that was asked about
    label           a class, for `multi` a list of classes, for `verify` true or false
    confidence      the probability of the label, for `multi` of each of its classes
    margin          0 is full doubt, 1 none (`models_store.questions.Decision`)
    probabilities   if asked for: by class; for `verify` of yes and no
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from labeling.outgoing.formats import Layout, Row
from labeling.outgoing.formats.base import LABELS
from labeling.questions import Question


class RowShape(NamedTuple):
    """The shape of all rows: the project's question, and the class names in `probabilities` (empty without
    probabilities).
    """

    question: Question
    probabilities: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        proposed = ["proposed"] if self.question.proposes else []
        return ["where", "external_id", *proposed, "label", "confidence", "margin"]

    @property
    def layout(self) -> Layout:
        """Return a typed column for each of `columns`, and a column `p_CLASS` for each class in `probabilities`."""
        confidence = pa.list_(pa.float32()) if self.question.per_class else pa.float32()
        types = {"label": LABELS[self.question.exported_as], "confidence": confidence, "margin": pa.float32()}
        fields = [(column, types.get(column, pa.string())) for column in self.columns]
        fields += [(_column(name), pa.float32()) for name in self.probabilities]
        return Layout(pa.schema(fields), as_columns=lambda page: [_flat(row) for row in page])


def _column(name: str) -> str:
    return f"p_{name}"


def _flat(row: Row) -> Row:
    """Return the row with a column for each probability."""
    return {**row, **{_column(name): p for name, p in row.get("probabilities", {}).items()}}
