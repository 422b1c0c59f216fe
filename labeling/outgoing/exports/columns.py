"""The columns of an export, in their order. docs/reference/export.md explains each; a test holds the two together."""

from __future__ import annotations

from typing import Literal, NamedTuple

# "label" is text, a list of texts or yes/no, as the project's question has it; "answers" and "skips" are lists of
# objects.
Kind = Literal["integer", "number", "boolean", "text", "json", "time", "label", "answers", "skips"]


class Column(NamedTuple):
    name: str
    kind: Kind


COLUMNS = (
    Column("item", "integer"),
    Column("external_id", "text"),
    Column("source", "text"),
    Column("data", "json"),
    Column("media", "text"),
    Column("proposed", "text"),
    Column("label", "label"),
    Column("agreement", "number"),
    Column("annotations", "answers"),
    Column("skips", "skips"),
    Column("batch", "integer"),
    Column("rank", "integer"),
    Column("model_version", "integer"),
    Column("learned_by", "integer"),
    Column("is_control", "boolean"),
    Column("prompted", "boolean"),
    Column("control_probability", "number"),
    Column("control_weight", "number"),
    Column("margin", "number"),
    Column("cluster", "integer"),
    Column("cluster_size", "integer"),
    Column("draw_pass", "integer"),
    Column("labeled_at", "time"),
    Column("corrected_by", "text"),
    Column("corrected_at", "time"),
)
