"""The columns of an export, in their order. docs/reference/export.md explains each; a test holds the two together."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import pyarrow as pa

from labeling.outgoing.formats.base import LABELS
from labeling.questions import Question

# "label" is text, a list of texts or yes/no, as the project's question has it; "answers" and "skips" are lists of
# objects.
Kind = Literal["integer", "number", "boolean", "text", "json", "time", "label", "answers", "skips"]


class ExportColumn(NamedTuple):
    name: str
    kind: Kind


COLUMNS = (
    ExportColumn("item", "integer"),
    ExportColumn("external_id", "text"),
    ExportColumn("source", "text"),
    ExportColumn("data", "json"),
    ExportColumn("media", "text"),
    ExportColumn("proposed", "text"),
    ExportColumn("label", "label"),
    ExportColumn("agreement", "number"),
    ExportColumn("label_probability", "number"),
    ExportColumn("label_distribution", "json"),
    ExportColumn("annotations", "answers"),
    ExportColumn("skips", "skips"),
    ExportColumn("batch", "integer"),
    ExportColumn("rank", "integer"),
    ExportColumn("model_version", "integer"),
    ExportColumn("learned_by", "integer"),
    ExportColumn("is_control", "boolean"),
    ExportColumn("prompted", "boolean"),
    ExportColumn("prompted_by", "text"),
    ExportColumn("control_probability", "number"),
    ExportColumn("control_weight", "number"),
    ExportColumn("margin", "number"),
    ExportColumn("cluster", "integer"),
    ExportColumn("cluster_size", "integer"),
    ExportColumn("draw_pass", "integer"),
    ExportColumn("selection", "integer"),
    ExportColumn("imported", "boolean"),
    ExportColumn("labeled_at", "time"),
    ExportColumn("corrected_by", "text"),
    ExportColumn("corrected_at", "time"),
    ExportColumn("propagated_from", "text"),
    ExportColumn("propagated_height", "number"),
    ExportColumn("propagated_radius", "number"),
    ExportColumn("origin", "text"),
    ExportColumn("certificate", "integer"),
    ExportColumn("certified_probability", "number"),
)
NOTHING: dict[str, Any] = {column.name: None for column in COLUMNS} | {
    "annotations": [], "skips": [], "is_control": False, "prompted": False, "imported": False
}  # fmt: skip
"""The row of an item that no person was asked about; its item and label are missing."""

_TIME = pa.timestamp("us", tz="UTC")


def schema_for(question: Question) -> pa.Schema:
    """Return the typed columns for a project's question."""
    who = [("id", pa.string()), ("annotator", pa.string())]
    how = [("seconds", pa.float64()), ("flagged", pa.bool_()), ("guidelines_version", pa.int64())]
    when = [*how, ("created_at", _TIME), ("batch", pa.int64()), ("prompted", pa.bool_())]
    label = LABELS[question.exported_as]
    types = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "text": pa.string(),
        "json": pa.string(),
        "time": _TIME,
        "label": label,
        "answers": pa.list_(pa.struct([*who, ("value", label), *when])),
        "skips": pa.list_(pa.struct([*who, ("reason", pa.string()), *when])),
    }
    return pa.schema([(column.name, types[column.kind]) for column in COLUMNS])
