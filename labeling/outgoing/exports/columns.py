"""The columns of an export, in their order. docs/reference/export.md explains each; a test holds the two together."""

import json
from typing import Any, Literal

import orjson
import pyarrow as pa

from labeling.outgoing.formats.base import LABELS
from labeling.questions import Question

# "label" is text, a list of texts or yes/no, as the project's question has it; "answers" and "skips" are lists of
# objects.
Kind = Literal["integer", "number", "boolean", "text", "json", "time", "label", "answers", "skips"]


COLUMNS: dict[str, Kind] = {
    "item": "integer",
    "external_id": "text",
    "source": "text",
    "data": "json",
    "media": "text",
    "proposed": "text",
    "label": "label",
    "agreement": "number",
    "label_probability": "number",
    "label_distribution": "json",
    "annotations": "answers",
    "skips": "skips",
    "batch": "integer",
    "rank": "integer",
    "model_version": "integer",
    "learned_by": "integer",
    "is_control": "boolean",
    "prompted": "boolean",
    "prompted_by": "text",
    "control_probability": "number",
    "control_weight": "number",
    "margin": "number",
    "cluster": "integer",
    "cluster_size": "integer",
    "draw_pass": "integer",
    "selection": "integer",
    "imported": "boolean",
    "labeled_at": "time",
    "corrected_by": "text",
    "corrected_at": "time",
    "propagated_from": "text",
    "propagated_height": "number",
    "propagated_radius": "number",
    "origin": "text",
    "certificate": "integer",
    "certified_probability": "number",
}
NOTHING: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "annotations": [], "skips": [], "is_control": False, "prompted": False, "imported": False
}  # fmt: skip
"""The row of an item that no person was asked about; its item and label are missing."""

PLAIN = frozenset({str, int, bool, type(None)})
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
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def compact(text: str) -> str:
    """Return the JSON text without blanks and needless escapes, as `json` writes it, in a tenth of the time.

    >>> compact('{"text": "na\\u00efve", "shares": [0.5, 1e-7]}')
    '{"text":"naïve","shares":[0.5,1e-07]}'
    """
    try:
        value = orjson.loads(text)
        if _is_written_alike(value):
            return orjson.dumps(value).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # NaN, or too deep
        pass
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def _is_written_alike(value: Any) -> bool:
    """Return whether orjson and `json` write the value alike. They differ in numbers with an exponent, and orjson reads
    integers beyond 64 bits as floats.
    """
    kind = type(value)
    if kind is dict or kind is list:
        parts = value.values() if kind is dict else value
        return PLAIN.issuperset(map(type, parts)) or all(map(_is_written_alike, parts))
    return kind in PLAIN or 1e-4 <= abs(value) < 1e16 or value == 0
