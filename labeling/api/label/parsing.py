"""Functions that parse and check the answers and skips that annotators send."""

import math
import uuid
from collections.abc import Mapping
from typing import Any

from labeling.api.label.shapes import MAX_NAMED, MAX_SECONDS, MAX_UUID
from labeling.api.shared.fields import MAX_ID
from labeling.models import Project
from labeling.models.reviews import MAX_COMMENT
from labeling.projects.classes import proposals
from labeling.questions import InvalidValue
from labeling.queue.answer import Answer
from labeling.queue.reading import indices_of


def parse_answers(project: Project, annotations: list[Any]) -> tuple[list[Answer], list[dict[str, Any]]]:
    """Parse each answer by itself, so that a bad answer does not block the others.

    Returns the answers, and for each bad annotation its id, error code and reason. A repeated id is parsed once.
    """
    names = (project.asks.names_in(each.get("value")) for each in annotations if isinstance(each, dict))
    indices = indices_of(project, set().union(*names))
    answers: list[Answer] = []
    refused: list[dict[str, Any]] = []
    seen: set[uuid.UUID] = set()
    for each in annotations:
        try:
            answer = _parse_answer(project, each, indices)
        except (InvalidValue, ValueError, TypeError) as error:
            refused.append({"id": _shown_id(each), "code": "invalid", "detail": str(error)})
            continue
        if answer.id not in seen:  # the same answer twice in one request is one answer
            seen.add(answer.id)
            answers.append(answer)
    return answers, refused


def names_sent(project: Project, annotations: list[Any]) -> int:
    """Return the number of class names in the values of these annotations; at least one each."""
    values = (each.get("value") if isinstance(each, dict) else None for each in annotations)
    return sum(map(project.asks.names_sent, values))


def parse_skip(project: Project, values: Mapping[str, Any]) -> Answer:
    proposed = proposals.read_name(project, values["proposed_class"]) if "proposed_class" in values else ""
    return Answer(
        id=values.get("id") or uuid.uuid4(),
        task=values["task"],
        skip_reason=f"None of these: {proposed}" if proposed else values["reason"],
        proposed_class=proposed,
        seconds=values["seconds"],
        flagged=values["flagged"],
        comment=values.get("comment", ""),
        guidelines_version=_guidelines_version(project, values),
    )


def _parse_answer(project: Project, each: Any, indices: Mapping[str, int]) -> Answer:
    if not isinstance(each, dict):
        raise ValueError("An annotation must be an object.")
    text = each.get("id")
    try:
        annotation_id = uuid.UUID(text if isinstance(text, str) and len(text) <= MAX_UUID else "")
    except ValueError:
        raise ValueError("An annotation needs an id that is a UUID.") from None
    task = each.get("task")
    if not isinstance(task, int) or isinstance(task, bool) or not 0 < task <= MAX_ID:
        raise ValueError("An annotation needs the id of its task.")
    seconds = each.get("seconds", 0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        raise ValueError("seconds must be a number that is not negative.")
    if "value" not in each:
        raise ValueError("An annotation needs a value.")
    return Answer(
        id=annotation_id,
        task=task,
        value=project.asks.parse(each["value"], project.as_called(indices, _class_revision(project, each))),
        seconds=min(float(seconds), MAX_SECONDS),
        flagged=each.get("flagged") is True,
        comment=_comment(each.get("comment", "")),
        guidelines_version=_guidelines_version(project, each),
        same=_item_ids(each, "same"),
        different=_item_ids(each, "different"),
    )


def _item_ids(annotation: Mapping[str, Any], name: str) -> list[int]:
    ids = annotation.get(name, [])
    if not isinstance(ids, list) or len(ids) > MAX_NAMED or not all(type(each) is int for each in ids):
        raise ValueError(f"{name} must be a list of at most {MAX_NAMED} ids of items.")
    return ids


def _comment(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_COMMENT or "\x00" in text:
        raise ValueError(f"comment must be a text of at most {MAX_COMMENT} characters.")
    return text.strip()


def _guidelines_version(project: Project, annotation: Mapping[str, Any]) -> int:
    """Return the version of the guidelines that the annotator saw: `guidelines_version`, by default the newest."""
    newest = project.guidelines_version
    version = annotation.get("guidelines_version", newest)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= newest:
        raise InvalidValue(f"guidelines_version must be a version of this project's guidelines, 0 to {newest}.")
    return version


def _class_revision(project: Project, annotation: Mapping[str, Any]) -> int | None:
    """Return the revision of the classes that the annotator saw; None if the annotation has no `class_revision`."""
    revision = annotation.get("class_revision")
    if revision is None:
        return None
    if isinstance(revision, bool) or not isinstance(revision, int) or not 0 <= revision <= project.class_revision:
        raise InvalidValue(f"class_revision must be one of this project's, 0 to {project.class_revision}.")
    return revision


def _shown_id(each: Any) -> str | None:
    annotation_id = each.get("id") if isinstance(each, dict) else None
    return str(annotation_id)[:100] if isinstance(annotation_id, str | int) else None
