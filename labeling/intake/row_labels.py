"""Read the label of a row, with its answers if the row has them, as rows of exports do."""

import datetime
import math
import re
import uuid
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from django.contrib.auth.validators import UnicodeUsernameValidator

from labeling import kinds
from labeling.intake import answer_cells
from labeling.intake.rules import Rules
from labeling.kinds import BadValue
from labeling.kinds.wording import excerpt, is_blank, plain, type_name
from labeling.labels.resolving.origins import Origin
from labeling.labels.resolving.posterior import LEAST_SUPPORT
from labeling.questions import Shown

LISTS = ("annotations", "skips")
COLUMNS = (
    "label", *LISTS, "corrected_by", "corrected_at", "labeled_at", "label_probability", "label_distribution",
)  # fmt: skip
SHORT = ("labeled_by", "labeled_at")
"""The columns of a short export that are not imported."""
ORIGIN = "origin"
"""The column with one of `Origin`. Exports of earlier versions lack it, and in their short form an imported field may
have its name.
"""
DATASET = ("propagated_from", "external_id", ORIGIN)
"""The columns by which rows of an exported dataset are known."""
FACTS = (
    "external_id", ORIGIN, "agreement", "label_probability", "batch", "model_version", "is_control", "control_weight",
    "labeled_at", "propagated_from", "certificate", "certified_probability",
)  # fmt: skip
"""The columns of exports that datasets have, too. They apply only to the project of origin."""
UNASKED_SECONDS = 0.0
"""The duration of an answer that nobody gave: a label that was imported without answers is stored as an answer of the
person who imported it."""
COPY_OF = "near-copy of "
"""The beginning of `labeled_by` for a label that a near-copy has from another item."""
MOST = 1000
"""The most answers of one item."""

_IDS = ("external_id", "truth", "class", "suggestion", "gold")
_NAME = UnicodeUsernameValidator.regex
_NAME_LENGTH, _REASON_LENGTH = 150, 200
# A value to which `labeling.outgoing.formats.csv.defused` has added the first apostrophe.
_DEFUSED = re.compile(r"'('*(?:[\t\r\n]|[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠]))")


class ImportedAnswer(NamedTuple):
    """One annotator's answer, with the value as in `Draft.truth`, or as it is stored (`Settled`). A skip has the value
    None and a `reason`. `at`: None for the time of the import.
    """

    id: uuid.UUID | None
    annotator: str
    value: Any
    reason: str
    seconds: float
    flagged: bool
    at: datetime.datetime | None


Distribution = tuple[tuple[Any, float], ...]
"""Answers with their probabilities."""


class Labels(NamedTuple):
    """The label and the answers of a row, at least one of them. Values are as in `Draft.truth`.

    `corrected_by` is the person who corrected the label, or "". `resolved`: in the project of origin the answers,
    weighed by the reliability of their annotators, amount to the label, even if another answer is more frequent.
    """

    label: Shown | None
    answers: tuple[ImportedAnswer, ...] = ()
    corrected_by: str = ""
    corrected_at: datetime.datetime | None = None
    labeled_at: datetime.datetime | None = None
    probability: float | None = None
    distribution: Distribution = ()
    resolved: bool = False


def values_of(labels: Labels | None) -> list[Shown | None]:
    """Return the label, and the answers and probable answers of a row."""
    if labels is None:
        return []
    return [labels.label, *(each.value for each in labels.answers), *(value for value, _ in labels.distribution)]


def is_resolved(label: Any, distribution: Distribution) -> bool:
    """Return whether the label follows from these probabilities: the most probable answer, or None if that is doubtful.

    It does not if a person has changed the label in an exported file, and left the probabilities.
    """
    if not distribution:
        return False
    most = max(probability for _, probability in distribution)
    if most < LEAST_SUPPORT:
        return label is None
    return any(value == label for value, probability in distribution if probability == most)


def unanswered(fields: Mapping[str, Any]) -> Origin | None:
    """Return the origin of an exported label that no person has given, `CERTIFIED` or `COPY`; else None."""
    if "external_id" not in fields or not ("propagated_from" in fields or is_short(fields)):
        return None
    if not is_blank(fields.get("propagated_from")) or str(fields.get("labeled_by")).startswith(COPY_OF):
        return Origin.COPY
    return Origin.CERTIFIED if fields.get(ORIGIN) == Origin.CERTIFIED else None


def is_exported(fields: Mapping[str, Any]) -> bool:
    """Return whether this is a row of an export."""
    if "external_id" not in fields or "annotations" not in fields:
        return False
    return isinstance(answer_cells.as_json(fields.get("data")), dict)


def is_dataset(columns: Container[str]) -> bool:
    """Return whether a row with these columns is one of an exported dataset, which has no answers."""
    return "annotations" not in columns and all(name in columns for name in DATASET)


def is_short(fields: Mapping[str, Any]) -> bool:
    """Return whether this is a row of a short export."""
    return fields.keys() >= {"external_id", *SHORT} and not fields.keys().isdisjoint(("label", ORIGIN))


def item_fields(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields of an exported row that an import reads: those of its item, its labels, and a file or vector,
    which a person has added. None if the row is of no export.

    Left out is what applies only to the project of origin: who labeled the item, when and how, so that annotators do
    not see it. A near-copy has no label and a certified label is a suggestion: no person has answered.
    """
    origin, data, proposed = unanswered(fields), fields.get("data"), fields.get("proposed")
    without_answer: tuple[str, ...] = COLUMNS[:1]
    is_text = False
    if is_exported(fields):
        data, without_answer = answer_cells.as_json(data), COLUMNS
        kept = {name: fields[name] for name in (*_IDS, *COLUMNS, *kinds.KINDS, "file_name") if name in fields}
        is_text = isinstance(fields["annotations"], str)  # CSV
    elif is_dataset(fields):  # a number `id` that another tool has added is left out, too
        left = {"id", "proposed", *FACTS[1:], *(["data"] if isinstance(data, dict) else ())}
        kept = {name: value for name, value in fields.items() if name not in left}
    elif is_short(fields):
        left = {*SHORT, *([ORIGIN] if fields.get(ORIGIN) in (None, "", *Origin) else ())}
        kept = {name: value for name, value in fields.items() if name not in left}
        data, proposed, is_text = None, None, True
    else:
        return None
    if origin:
        kept = {name: value for name, value in kept.items() if name not in without_answer}
    if not is_blank(proposed):
        kept["class"] = proposed
    if origin == Origin.CERTIFIED and "label" in fields:
        kept["suggestion"] = fields["label"]
    if is_text:
        kept = {name: _as_it_was(value) for name, value in kept.items()}
    return {**data, **kept} if isinstance(data, dict) else kept


def _as_it_was(value: Any) -> Any:
    return _DEFUSED.sub(r"\1", value, count=1) if isinstance(value, str) and value[:1] == "'" else value


def pop_labels(left: dict[str, Any], rules: Rules) -> Labels | None:
    """Remove the label and its answers from a row's fields, and return them; None if the row has neither.

    Raises `BadValue`.
    """
    if left.keys().isdisjoint(("label", *LISTS)):  # the quick way for most rows
        return None
    brings_answers = not left.keys().isdisjoint(LISTS)
    taken = {name: left.pop(name) for name in (COLUMNS if brings_answers else COLUMNS[:1]) if name in left}
    return _labels(taken, rules) if rules.with_truth else None


def _labels(fields: Mapping[str, Any], rules: Rules) -> Labels | None:
    lists = {name: _list(fields[name], name) for name in LISTS if name in fields}
    label = answer_cells.read_answer(plain(fields.get("label")), "label", rules)
    if not lists:
        return None if label is None else Labels(label)
    every = tuple(_answer(each, name, rules) for name, listed in lists.items() for each in listed)
    _check_annotators_differ(every)
    corrected_by = fields.get("corrected_by")
    if label is None and not every:
        return None
    distribution = _distribution(fields.get("label_distribution"), rules)
    return Labels(
        label=label,
        answers=every,
        probability=_probability(fields.get("label_probability"), "label_probability"),
        distribution=distribution,
        resolved=is_resolved(label, distribution),
        corrected_by="" if label is None or is_blank(corrected_by) else _name(corrected_by, "corrected_by"),
        corrected_at=_moment(fields.get("corrected_at"), "corrected_at"),
        labeled_at=_moment(fields.get("labeled_at"), "labeled_at"),
    )


def _list(value: Any, column: str) -> list[Any]:
    value = answer_cells.as_json(plain(value))
    if is_blank(value):
        return []
    if not isinstance(value, list):
        raise BadValue(f'column "{column}" must be a list of answers, not a {type_name(value)}')
    if len(value) > MOST:
        raise BadValue(f'column "{column}" has {len(value):,} answers, more than the {MOST:,} allowed')
    return value


def _answer(each: Any, column: str, rules: Rules) -> ImportedAnswer:
    if not isinstance(each, dict):
        raise BadValue(f'column "{column}" must be a list of objects, not of {type_name(each)}')
    is_skip = column == "skips"
    value = None if is_skip else answer_cells.read_answer(plain(each.get("value")), "annotation", rules)
    if value is None and not is_skip:
        raise BadValue("an annotation has no value")
    return ImportedAnswer(
        id=_id(each.get("id")),
        annotator=_name(each.get("annotator"), "annotator"),
        value=value,
        reason=_reason(each.get("reason")) if is_skip else "",
        seconds=_seconds(each.get("seconds")),
        flagged=bool(answer_cells.yes_or_no(each.get("flagged"), "flagged")),
        at=_moment(each.get("created_at"), "created_at"),
    )


def _check_annotators_differ(every: tuple[ImportedAnswer, ...]) -> None:
    names = [each.annotator for each in every]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice:
        raise BadValue(f"annotator {excerpt(twice)} has answered it more than once")


def _id(value: Any) -> uuid.UUID | None:
    if is_blank(value):
        return None
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError:
        raise BadValue(f'annotation id "{excerpt(str(value))[:60]}" is not a UUID') from None


def _name(value: Any, column: str) -> str:
    if is_blank(value):
        raise BadValue(f'an annotation has no "{column}"')
    if not isinstance(value, str) or len(value) > _NAME_LENGTH or not re.search(_NAME, value):
        raise BadValue(f'{column} "{excerpt(str(value))[:60]}" is not a user name')
    return value


def _reason(value: Any) -> str:
    if is_blank(value) or not isinstance(value, str):
        raise BadValue("a skip has no reason")
    if "\0" in value:
        raise BadValue("a skip's reason holds characters that cannot be stored")
    if len(value) > _REASON_LENGTH:
        raise BadValue(f"a skip's reason has more than the {_REASON_LENGTH} characters allowed")
    return value


def _seconds(value: Any) -> float:
    if is_blank(value):
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise BadValue(f'seconds "{excerpt(str(value))[:60]}" is not a number from 0 on')
    return float(value)


def _probability(value: Any, column: str) -> float | None:
    if is_blank(value):
        return None
    try:
        probability = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        probability = math.nan
    if not 0 <= probability <= 1:
        raise BadValue(f'{column} "{excerpt(str(value))[:60]}" is not a number from 0 to 1')
    return probability


def _distribution(value: Any, rules: Rules) -> Distribution:
    column = "label_distribution"
    return tuple(_likely(pair, column, rules) for pair in _list(value, column))


def _likely(pair: Any, column: str, rules: Rules) -> tuple[Any, float]:
    if not isinstance(pair, list) or len(pair) != 2 or is_blank(pair[1]):
        raise BadValue(f'column "{column}" must be a list of pairs: an answer and its probability')
    return answer_cells.read_answer(pair[0], column, rules), _probability(pair[1], column) or 0.0


def _moment(value: Any, column: str) -> datetime.datetime | None:
    if is_blank(value):
        return None
    try:
        at = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(str(value))
        if at.tzinfo is not None:
            return at.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        pass
    text = excerpt(str(value))[:60]
    raise BadValue(f'{column} "{text}" is not a time with its zone, such as 2026-03-01T14:30:00Z')
