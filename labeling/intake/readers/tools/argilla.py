"""Records of Argilla: version 2 nested (`to_json`, `to_disk`) and flat (`to_datasets`, `to_list(flatten=True)`), those
of `FeedbackDataset`, and version 1's text classification.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext_noop as _

from labeling.intake.answer_cells import as_json
from labeling.kinds import BadValue
from labeling.kinds.wording import is_blank, plain, type_name

from .base import Tool

_SUGGESTED = "-suggestion-metadata"
_OF_V1 = frozenset({
    "inputs", "prediction", "prediction_agent", "annotation", "annotation_agent", "vectors", "multi_label",
    "explanation", "id", "metadata", "status", "event_timestamp", "metrics", "search_keywords",
})  # fmt: skip
_STATUS_OF_V1 = {"Validated": "submitted", "Discarded": "discarded"}
_LIKELY = 0.5
_NO_NAME = re.compile(r"[^\w.@+-]")  # what user names do not hold


class _Response(NamedTuple):
    value: Any
    user: Any
    status: str


class _Parts(NamedTuple):
    """A record taken apart: its id, what annotators see, the responses and the suggestion of each question."""

    id: Any
    shown: dict[str, Any]
    responses: Mapping[str, Iterable[_Response]]
    suggestions: Mapping[str, Any]


def _knows(row: Mapping[str, Any]) -> bool:
    return _taker(row) is not None


def _taker(row: Mapping[str, Any]) -> Any:
    """Return the function that takes the record apart; None if the row is none."""
    if isinstance(row.get("fields"), dict) and not row.keys().isdisjoint(("responses", "suggestions")):
        return _nested
    if "_server_id" in row and "status" in row:
        return _flat
    if "annotation_agent" in row and "prediction" in row:
        return _classified
    if "external_id" in row and "metadata" in row and any(name.endswith(_SUGGESTED) for name in row):
        return _feedback
    return None


def _questions(row: Mapping[str, Any]) -> Iterable[str]:
    parts = _taker(row)(row)
    return dict.fromkeys((*parts.responses, *parts.suggestions))


def _own_row(row: Mapping[str, Any], question: str) -> tuple[dict[str, Any], str]:
    """Return the record with its submitted responses as answers. Its label is what all of them agree on; a person's
    last response counts. Responses without a status may be drafts: what they agree on is a suggestion.
    """
    parts = _taker(row)(row)
    by_status: dict[str, dict[str, Any]] = {}
    for each in parts.responses.get(question, ()):
        by_status.setdefault(each.status, {})[_annotator(each.user)] = _checked(each.value)
    submitted = {name: value for name, value in by_status.get("submitted", {}).items() if not is_blank(value)}
    suggestion = _checked(parts.suggestions.get(question))
    read: dict[str, Any] = {
        **parts.shown,
        "id": parts.id,
        "label": _agreed(submitted.values()),
        "suggestion": suggestion,
    }
    if submitted:
        read["annotations"] = [{"annotator": name, "value": value} for name, value in submitted.items()]
        return read, "submitted"
    if pending := _agreed(by_status.get("pending", {}).values()):
        read["suggestion"] = pending
    outcome = next((each for each in ("pending", "draft", "discarded") if each in by_status), "")
    return read, outcome or ("unanswered" if is_blank(suggestion) else "suggested")


def _agreed(values: Collection[Any]) -> Any:
    """Return the value that all have; None if they differ or there is none."""
    first = next(iter(values), None)
    return first if all(value == first for value in values) else None


def _nested(row: Mapping[str, Any]) -> _Parts:
    responses: dict[str, list[_Response]] = {}
    for question, value, about in _of_questions(row.get("responses")):
        responses.setdefault(question, []).append(_response(value, about, str(row.get("status") or "submitted")))
    given = row.get("suggestions")
    if isinstance(given, dict):
        given = [{"question_name": name, **each} for name, each in given.items() if isinstance(each, dict)]
    suggestions = {str(each.get("question_name")): each.get("value") for each in _objects(given)}
    the_id = row.get("id") if is_blank(row.get("external_id")) else row["external_id"]
    return _Parts(the_id, {**row["fields"], **_others(row.get("metadata"), row["fields"])}, responses, suggestions)


def _of_questions(given: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield question, value and the object with user and status of each response."""
    for question, listed in _object(given).items():
        yield from ((question, each.get("value"), each) for each in _objects(listed))
    for each in _objects(given):  # a list of each user's responses
        for question, answered in _object(each.get("values")).items():
            yield question, _object(answered).get("value"), each


def _response(value: Any, about: Mapping[str, Any], of_record: str) -> _Response:
    """Return a response. `to_json` leaves its status out; those of a completed record are submitted."""
    status = about.get("status")
    if is_blank(status):
        status = "submitted" if of_record in ("completed", "submitted") else "pending"
    return _Response(value, about.get("user_id"), str(status))


def _flat(row: Mapping[str, Any]) -> _Parts:
    answered = [name.removesuffix(".responses") for name in row if name.endswith(".responses")]
    suggested = [name.removesuffix(".suggestion") for name in row if name.endswith(".suggestion")]
    taken = {
        *(f"{name}.responses{more}" for name in answered for more in ("", ".users", ".status")),
        *(f"{name}.suggestion{more}" for name in suggested for more in ("", ".score", ".agent")),
    }
    responses = {}
    for name in answered:
        values, users, statuses = (_column(row, f"{name}.responses{more}") for more in ("", ".users", ".status"))
        if not len(values) == len(users) == len(statuses):
            raise BadValue(f'"{name}.responses" has {len(values)} responses by {len(users)} users')
        responses[name] = [
            _response(value, {"user_id": user, "status": status}, str(row["status"]))
            for value, user, status in zip(values, users, statuses, strict=True)
        ]
    shown = {name: value for name, value in row.items() if name not in {*taken, "id", "status", "_server_id"}}
    return _Parts(row.get("id"), shown, responses, {name: row[f"{name}.suggestion"] for name in suggested})


def _column(row: Mapping[str, Any], name: str) -> list[Any]:
    value = row.get(name)
    listed = _list(value)
    if not listed and isinstance(value, str) and value.strip("[] "):  # `to_csv` writes Python's or numpy's lists
        raise BadValue(f'"{name}" holds text, not a list: save the records as JSON or Parquet')
    return listed


def _feedback(row: Mapping[str, Any]) -> _Parts:
    names = [name.removesuffix(_SUGGESTED) for name in row if name.endswith(_SUGGESTED)]
    taken = {each for name in names for each in (name, f"{name}-suggestion", f"{name}{_SUGGESTED}")}
    shown = {name: value for name, value in row.items() if name not in {*taken, "external_id", "metadata", "vectors"}}
    responses = {
        name: [_response(each.get("value"), each, "submitted") for each in _objects(row.get(name))] for name in names
    }
    suggestions = {name: row.get(f"{name}-suggestion") for name in names}
    shown |= _others(as_json(row["metadata"]), shown)
    return _Parts(row["external_id"], shown, responses, suggestions)


def _classified(row: Mapping[str, Any]) -> _Parts:
    status = _STATUS_OF_V1.get(str(row.get("status")), "draft")
    shown = {name: value for name, value in row.items() if name not in _OF_V1}
    for more in (row.get("inputs"), row.get("metadata")):
        shown |= _others(more, shown)
    response = _Response(row.get("annotation"), row.get("annotation_agent"), status)
    predicted = sorted(filter(None, map(_scored, _list(row["prediction"]))), key=lambda each: -each[1])
    names = [name for name, score in predicted if score >= _LIKELY] if row.get("multi_label") else None
    suggestion = names or next((name for name, _ in predicted if names is None), None)
    return _Parts(
        row.get("id"), shown, {"label": [] if is_blank(response.value) else [response]}, {"label": suggestion}
    )


def _scored(each: Any) -> tuple[Any, float] | None:
    """Return the label and the score of a prediction, a pair or, in Arrow files, an object; None without a score."""
    label, score = (
        (each.get("label"), each.get("score"))
        if isinstance(each, dict)
        else each
        if isinstance(each, list) and len(each) == 2
        else (None, None)
    )
    return (label, float(score)) if isinstance(score, int | float) else None


def _checked(value: Any) -> Any:
    """Return an answer that can be one or more classes, or a rating. Raises BadValue for spans and rankings."""
    value = plain(value)
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict | list):
            raise BadValue(f"a response holds a {type_name(each)}: only classes and ratings are read")
    return value


def _annotator(user: Any) -> str:
    return "argilla" if is_blank(user) else f"argilla-{_NO_NAME.sub('-', str(user))[:100]}"


def _others(value: Any, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object whose names are not taken."""
    return {name: each for name, each in _object(value).items() if name not in shown}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _list(value: Any) -> list[Any]:
    value = as_json(plain(value))
    return value if isinstance(value, list) else []


ARGILLA = Tool(
    name="argilla",
    title="Argilla",
    meaning=_(
        "Submitted responses become answers. Suggestions and responses without a status become "
        "suggestions. Drafts and discarded responses are ignored."
    ),
    knows=_knows,
    row=_own_row,
    questions=_questions,
    names_content=True,
)
