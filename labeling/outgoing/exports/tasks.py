"""Items and answers for other annotation tools: tasks of Label Studio, and lines of doccano.

They name no people. Label Studio refuses annotations by people without an account there, so the number that stands for
an annotator is in the `meta` of the result.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from labeling.intake.row_labels import COPY_OF, DATASET, ORIGIN
from labeling.kinds import Kind
from labeling.labels.resolving.origins import Origin
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.exports.files import with_contents
from labeling.outgoing.exports.short import free_name
from labeling.outgoing.formats import Layout, Page, Row
from labeling.questions import Question

TAGS = {"text": "Text", "image": "Image", "audio": "Audio"}


def label_studio_layout(facts: Facts) -> Layout:
    """Return the tasks, and the labeling configuration that opens the archive."""

    def tasks(page: Page) -> Iterator[dict[str, Any]]:
        for row, content in with_contents(page, facts.kind):
            # Label Studio numbers tasks anew. Its converter asks for a number, and for annotations if there are none.
            yield {"id": row["item"], "data": _data(row, content, facts), "annotations": [], **_answers(row, facts)}

    config = label_config(facts.kind.name, facts.question, facts.classes).encode()
    return Layout(pa.schema([]), as_objects=tasks, opening=[("config.xml", config)])


def doccano_layout(facts: Facts) -> Layout:
    """Return the texts with their labels; all other fields are metadata there."""

    def lines(page: Page) -> Iterator[dict[str, Any]]:
        for row, text in with_contents(page, facts.kind):
            line = {"text": text}
            line |= {} if row["label"] is None else {"label": facts.question.label_names(row["label"])}
            line |= {"class": row["proposed"]} if facts.question.proposes else {}
            line |= {name: row[name] for name in DATASET}
            for name, value in json.loads(row["data"]).items():
                if name not in facts.kind.columns:
                    line[free_name(name, {*line, "id", "label"})] = value
            yield line

    return Layout(pa.schema([]), as_objects=lines)


def label_config(kind: str, question: Question, classes: Sequence[str]) -> str:
    """Return the labeling configuration: the item, of a kind in `TAGS`, and the question with its classes."""
    classes = ["yes", "no"] if question.proposes else classes
    choice = "multiple" if question.several else "single"
    lines = ["<View>", f'  <{TAGS[kind]} name="item" value="${kind}"/>']
    lines += ['  <Header value="$class"/>'] if question.proposes else []
    lines += [f'  <Choices name="label" toName="item" choice="{choice}">']
    lines += [f"    <Choice value={quoteattr(each)}/>" for each in classes]
    return "\n".join([*lines, "  </Choices>", "</View>", ""])


def _data(row: Row, content: Any, facts: Facts) -> dict[str, Any]:
    """Return the fields of the item. Files are data: URLs."""
    kind = facts.kind
    if isinstance(content, bytes):
        content = data_url(kind, row["media"], content)
    data = {**json.loads(row["data"]), kind.name: content, "external_id": row["external_id"]}
    return {**data, "class": row["proposed"]} if facts.question.proposes else data


def data_url(kind: Kind, name: str, content: bytes) -> str:
    """Return the content of a file with this name as a data: URL."""
    content_type = kind.content_types[PurePosixPath(name).suffix]
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


def _answers(row: Row, facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Return the annotations by people, and the prediction for a label that no person has given."""
    label = row["label"]
    if row[ORIGIN] in (Origin.CERTIFIED, Origin.COPY):
        source = row["propagated_from"]
        by = f"version {row['model_version']}" if source is None else f"{COPY_OF}{source}"
        prediction = {"model_version": by, "result": _result(facts, label, {})}
        probability = row["certified_probability"]
        return {"predictions": [prediction if probability is None else {**prediction, "score": probability}]}
    annotations = [
        {
            "result": _result(facts, each["value"], {"annotator": _number_of(facts, each["annotator"])}),
            "ground_truth": label is not None and each["value"] == label,
            "was_cancelled": False,
            "lead_time": each["seconds"],
        }
        for each in row["annotations"]
    ]
    if label is not None and not any(each["ground_truth"] for each in annotations):
        settled = _result(facts, label, {"settled": True})
        annotations.append({"result": settled, "ground_truth": True, "was_cancelled": False})
    annotations += [
        {"result": [], "ground_truth": False, "was_cancelled": True, "lead_time": each["seconds"]}
        for each in row["skips"]
    ]
    return {"annotations": annotations}


def _number_of(facts: Facts, annotator: str) -> int:
    """Return the number that stands for a person in all exports of the project."""
    return int.from_bytes(facts.project.keyed("annotator", annotator)[:6], "big")


def _result(facts: Facts, label: Any, meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    choices = {"choices": facts.question.label_names(label)}
    return [{"from_name": "label", "to_name": "item", "type": "choices", "value": choices, "meta": meta}]
