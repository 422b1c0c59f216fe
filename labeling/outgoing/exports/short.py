"""The short rows of a CSV for people: the item, the fields of its import, the label, who gave it, when, and how."""

import json
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from labeling.intake.row_labels import COPY_OF, ORIGIN, SHORT, UNASKED_SECONDS
from labeling.kinds import Kind
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.formats import Layout, Page, Row
from labeling.questions import Question


def short_layout(facts: Facts) -> Layout:
    """Return the columns of the short rows. One query, which reads the names of all fields of the chosen items."""
    kind = facts.kind
    content = ["file_name"] if kind.is_file else sorted(kind.columns)
    fixed = ["external_id", *(["class"] if facts.question.proposes else []), *content]
    last = ["label", *SHORT, ORIGIN]
    fields: dict[str, str] = {}
    for name in facts.fields:
        if name not in content:
            fields[name] = free_name(name, {*fixed, *last, *fields.values()})
    names = [*fixed, *fields.values(), *last]

    def shortened(page: Page) -> Page:
        return [_short(row, facts.question, kind, fields) for row in page]

    return Layout(pa.schema([(name, pa.string()) for name in names]), as_columns=shortened, for_people=True)


def original_name(row: Row, kind: Kind) -> str:
    """Return the path of the item's file in the folder or zip file of its import, or a name made of the item's id."""
    source, external_id = str(row["source"]), str(row["external_id"])
    if kind.names_file(source):
        return source
    if kind.names_file(external_id):
        return external_id
    return f"{external_id}{PurePosixPath(row['media'] or '').suffix}"


def free_name(name: str, taken: set[str]) -> str:
    """Return the name of a column for an imported field, other than those that are taken."""
    while name in taken:
        name = f"imported_{name}"
    return name


def _short(row: Row, question: Question, kind: Kind, fields: dict[str, str]) -> Row:
    data = json.loads(row["data"])
    at = row["labeled_at"]
    return {
        **{name: data.get(name) for name in kind.columns},
        **{column: _cell(data.get(name)) for name, column in fields.items()},
        "file_name": original_name(row, kind) if kind.is_file else None,
        "external_id": row["external_id"],
        "class": row.get("proposed"),
        "label": None if row["label"] is None else question.cell(row["label"]),
        "labeled_by": _labeled_by(row),
        "labeled_at": at and f"{at:%Y-%m-%d %H:%M:%S}",
        ORIGIN: row[ORIGIN],
    }


def _cell(value: Any) -> Any:
    """Numbers and texts as they are; lists and objects as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _labeled_by(row: Row) -> str:
    """Return the person, the people, the source of a near-copy, or the certificate that gave the label; "" for none."""
    if row["propagated_from"] is not None:
        return f"{COPY_OF}{row['propagated_from']}"
    if row["certificate"] is not None:
        return f"certificate {row['certificate']}"
    asked = (each for each in row["annotations"] if not row["imported"] or each["seconds"] != UNASKED_SECONDS)
    return str(row["corrected_by"] or ", ".join(each["annotator"] for each in asked))
