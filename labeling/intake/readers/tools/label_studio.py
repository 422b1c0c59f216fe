"""Tasks of Label Studio, with their annotations and predictions, as rows of an export."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from labeling.intake.row_labels import COPY_OF
from labeling.kinds import BadValue
from labeling.kinds.wording import excerpt

from .base import Tool

_ANSWERS = ("annotations", "completions")  # the second until 2021
_SKIPPED = "Skipped in Label Studio"
_TYPES = ("choices", "rating")


def _is_task(fields: Mapping[str, Any]) -> bool:
    """Return whether this is a task with answers or predictions."""
    return (
        isinstance(fields.get("data"), dict)
        and "external_id" not in fields
        and not fields.keys().isdisjoint((*_ANSWERS, "predictions"))
    )


def _own_row(task: Mapping[str, Any], question: str) -> tuple[dict[str, Any], str]:
    """Return the task as a row of an export. The label is what all answers agree on, or all ground truths. Of several
    answers of a person, the last counts. Raises BadValue.
    """
    row: dict[str, Any] = {name: value for name, value in task.items() if name in ("truth", "label", "gold", "class")}
    row |= {"external_id": task["data"].get("external_id", task.get("id")), "data": task["data"]}
    answers = [each for name in _ANSWERS for each in _objects(task.get(name))]
    settled: list[Any] = []
    last: dict[str, dict[str, Any]] = {}
    for answer in sorted(answers, key=lambda each: str(each.get("created_at") or "")):
        value, meta = _choice(_objects(answer.get("result")))
        is_skip = answer.get("was_cancelled") is True
        if meta.get("settled"):
            settled.append(value)
        elif is_skip or value is not None:
            name = _annotator(answer, meta)
            last[name] = {
                "annotator": name,
                "seconds": answer.get("lead_time"),
                "created_at": answer.get("created_at"),
                **({"reason": _SKIPPED} if is_skip else {"value": value, "is_truth": answer.get("ground_truth")}),
            }
    row["annotations"] = given = [each for each in last.values() if "value" in each]
    row["skips"] = [each for each in last.values() if "reason" in each]
    truths = [each["value"] for each in given if each["is_truth"] is True]
    for values in (settled, truths, [each["value"] for each in given]):
        if values and all(value == values[0] for value in values):
            row["label"] = values[0]
            break
    if not answers and (suggested := _suggestion(_objects(task.get("predictions")))) is not None:
        row["suggestion"] = suggested
    return row, "labeled" if given else "suggested" if "suggestion" in row else "unanswered"


def _suggestion(predictions: Iterable[Mapping[str, Any]]) -> Any:
    """Return the choice of the last prediction. The label of a near-copy is none."""
    choices = [
        _choice(_objects(each.get("result")))[0]
        for each in predictions
        if not str(each.get("model_version")).startswith(COPY_OF)
    ]
    return choices[-1] if choices else None


def _choice(results: Iterable[Mapping[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """Return the choices or the rating of an answer, None without one, and its metadata. Raises BadValue."""
    results = list(results)
    known = [each for each in results if each.get("type") in _TYPES]
    if results and not known:
        kinds = excerpt(", ".join(sorted({str(each.get("type")) for each in results})))
        raise BadValue(f"an annotation holds {kinds}: only choices and ratings are read")
    questions = sorted({str(each.get("from_name")) for each in known})
    if len(questions) > 1:
        raise BadValue(f"an annotation answers several questions ({excerpt(', '.join(questions))}): leave one of them")
    for each in known:
        value, meta = each.get("value"), each.get("meta")
        value = value.get(each["type"]) if isinstance(value, dict) else None
        return value, meta if isinstance(meta, dict) else {}
    return None, {}


def _annotator(answer: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
    if "annotator" in meta:
        return f"annotator-{meta['annotator']}"
    by = answer.get("completed_by")
    if isinstance(by, dict):
        return str(by.get("email") or f"label-studio-{by.get('id')}")
    return "label-studio" if by is None else f"label-studio-{by}"


def _objects(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


LABEL_STUDIO = Tool(
    name="label-studio",
    title="Label Studio",
    meaning=_("Annotations become answers. Predictions become suggestions."),
    knows=_is_task,
    row=_own_row,
)
