"""The columns of an export, in their order. docs/reference/export.md explains each; a test holds the two together."""

import json
from typing import Any, Literal, NamedTuple

import orjson
import pyarrow as pa

from labeling.outgoing.formats.base import label_type
from labeling.questions import Question

# "label" is text, a list of texts or yes/no, as the project's question has it; "answers" and "skips" are lists of
# objects.
Kind = Literal["integer", "number", "boolean", "text", "json", "time", "label", "answers", "skips"]


class Column(NamedTuple):
    """The kind of a column's values, and what they mean, for people."""

    kind: Kind
    meaning: str


COLUMNS = {
    "item": Column("integer", "the item's id in Marginalia"),
    "external_id": Column("text", "the id that it was imported with"),
    "source": Column("text", "its position in the imported file"),
    "data": Column("json", "the other fields of its imported row"),
    "media": Column("text", "the file's name; empty for texts and vectors"),
    "proposed": Column("text", "the proposed class, if the question is yes or no"),
    "label": Column("label", "the class, the list of classes, or yes and no"),
    "agreement": Column("number", "the share of its answers that agree with the label"),
    "label_probability": Column("number", "the probability that the label is right, if several people answered"),
    "label_distribution": Column("json", "the probability of each answer, if several are possible"),
    "annotations": Column("answers", "every answer: annotator, value, seconds, flag, time"),
    "skips": Column("skips", "who skipped it, and why"),
    "batch": Column("integer", "the batch that it was labeled in"),
    "rank": Column("integer", "its place in that batch"),
    "model_version": Column("integer", "the model version that picked the batch"),
    "learned_by": Column("integer", "the first version that learned from the label"),
    "is_control": Column("boolean", "whether it is in the control slice"),
    "prompted": Column("boolean", "whether its annotators could be shown a suggested answer"),
    "prompted_by": Column("text", "the source of the suggested answer: the model, or the import"),
    "control_probability": Column(
        "number", "for control items, the probability that the batch drew any given item of the pool"
    ),
    "control_weight": Column("number", "how many items of the pool a labeled control item stands for"),
    "margin": Column("number", "p(best class) − p(second class) when it was picked"),
    "cluster": Column("integer", "its cluster when it was picked"),
    "cluster_size": Column("integer", "candidates in that cluster"),
    "draw_pass": Column("integer", "the pass in which it was drawn"),
    "selection": Column("integer", "which selection of its batch picked it"),
    "imported": Column("boolean", "whether the label was imported, without answers from this project"),
    "labeled_at": Column("time", "when its label was last settled"),
    "corrected_by": Column("text", "the manager whose correction is the label"),
    "corrected_at": Column("time", "when the correction was made"),
    "propagated_from": Column("text", "for near-copies, the item whose label it is"),
    "propagated_height": Column("number", "for near-copies, the distance from that item"),
    "propagated_radius": Column("number", "the largest distance allowed for them"),
    "origin": Column("text", "where the label comes from: person, corrected, copy, imported or certified"),
    "certificate": Column("integer", "for certified labels, the number of the certificate"),
    "certified_probability": Column("number", "for certified labels, the probability that the model gave"),
}
NOTHING: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "annotations": [], "skips": [], "is_control": False, "prompted": False, "imported": False
}  # fmt: skip
"""The row of an item that no person was asked about; its item and label are missing."""

PLAIN = frozenset({str, int, bool, type(None)})
_TIME = pa.timestamp("us", tz="UTC")

HOW: dict[str, pa.DataType] = {"seconds": pa.float64(), "flagged": pa.bool_(), "guidelines_version": pa.int64()}
"""Fields of `Annotation` that an export has as they are, of answers and of skips, with their types."""


def answer_fields(content: str, kind: pa.DataType) -> dict[str, pa.DataType]:
    """Return the fields of an answer or a skip in their order, with their types. `content`, `kind`: of its answer, or
    of its reason.
    """
    when = {"created_at": _TIME, "batch": pa.int64(), "prompted": pa.bool_()}
    return {"id": pa.string(), "annotator": pa.string(), content: kind, **HOW, **when}


def schema_for(question: Question) -> pa.Schema:
    """Return the typed columns for a project's question."""
    label = label_type(question.exported_as)
    types = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "text": pa.string(),
        "json": pa.string(),
        "time": _TIME,
        "label": label,
        "answers": pa.list_(pa.struct([*answer_fields("value", label).items()])),
        "skips": pa.list_(pa.struct([*answer_fields("reason", pa.string()).items()])),
    }
    return pa.schema([(name, types[column.kind]) for name, column in COLUMNS.items()])


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
