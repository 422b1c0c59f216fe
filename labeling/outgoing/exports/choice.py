"""Which rows an export holds: filters as people write them, checked in one place for page, API and command alike."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.models import Item, Project
from labeling.statements import stored

# What people give, in the order in which a file's name tells it.
FILTERS = ("batch", "control", "agreement", "since", "until", "skipped", "excluded", "copies")
CONTROL = ("only", "without")
YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
# A list of batches longer than this is told in a file's name by their number.
NAMED = 40

_SPAN = re.compile(r"(\d{1,9})?(-)?(\d{1,9})?", re.ASCII)
# In an address a plus sign means a blank: `+02:00` often arrives without it.
_LOST_PLUS = re.compile(r" (\d\d:?\d\d)\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class ChoiceError(ValueError):
    """Filters that cannot be used: `fields` has one sentence for each of them."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class Choice:
    """The rows wanted; without arguments, every labeled item. `since` is included, `until` is not."""

    batches: frozenset[int] | None = None
    control: str = ""
    agreement: float | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    skipped: bool = False
    excluded: bool = False
    copies: bool = False
    name_part: str = ""  # what it chooses, as part of a file's name

    def conditions(self) -> tuple[str, list[Any]]:
        """The condition on `task` and its `item` in a statement, but for project and batch; and its values."""
        labeled = "item.label IS NOT NULL"
        parts, values = [f"({labeled} OR task.outstanding = 0)" if self.skipped else labeled], []
        if not self.excluded:
            parts.append("item.excluded_at IS NULL")
        if self.control:
            parts.append("task.is_control" if self.control == "only" else "NOT task.is_control")
        for condition, name, value in (
            ("item.agreement >= %s", "agreement", self.agreement),
            ("item.labeled_at >= %s", "labeled_at", self.since),
            ("item.labeled_at < %s", "labeled_at", self.until),
        ):
            if value is not None:
                parts.append(condition)
                values.append(stored(Item, name, value))
        return " AND ".join(parts), values

    def file_name(self, project: Project, suffix: str) -> str:
        return f"{project.slug}-{self.name_part or 'labels'}{suffix}"


def choose(project: Project, filters: Mapping[str, Any]) -> Choice:
    """Read filters as text: what is missing or empty filters nothing.

    Raises `ChoiceError`, with a sentence for every filter that cannot be used. One query, for the batches' numbers,
    and that only if batches are named.
    """
    texts = {name: str(filters.get(name) or "").strip() for name in FILTERS}
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}

    def read(name: str, reader: Any) -> None:
        try:
            values[name] = reader(texts[name]) if texts[name] else None
        except ValueError as error:
            errors[name] = str(error)

    read(
        "batch", lambda text: _batches(text, list(project.batches.order_by("number").values_list("number", flat=True)))
    )
    read("control", _control)
    read("agreement", _agreement)
    read("since", lambda text: _moment(text, "since"))
    read("until", lambda text: _moment(text, "until"))
    read("skipped", _yes_or_no)
    read("excluded", _yes_or_no)
    read("copies", _yes_or_no)
    since, until = values.get("since"), values.get("until")
    if since and until and until <= since:
        errors["until"] = "The end must be later than the beginning."
    if errors:
        raise ChoiceError(errors)
    return Choice(
        batches=values["batch"],
        control=values["control"] or "",
        agreement=values["agreement"],
        since=since,
        until=until,
        skipped=bool(values["skipped"]),
        excluded=bool(values["excluded"]),
        copies=bool(values["copies"]),
        name_part="-".join(filter(None, (_name_part(name, texts[name], values[name]) for name in FILTERS))),
    )


def _batches(text: str, known: Sequence[int]) -> frozenset[int]:
    """`3`, `1,4`, `2-5`, `6-` (that one and all later), `-3`, or several of these with commas between."""
    if not known:
        raise ValueError("This project has no batch yet.")
    numbers: set[int] = set()
    for part in text.replace(" ", "").replace("–", "-").split(","):
        span = _SPAN.fullmatch(part)
        if not part or not span or part == "-":
            raise ValueError(
                f"{_quoted(text)} names no batches. Write a number, a range or a list: 3 or 2-5 or 1,4,6-."
            )
        low = int(span[1] or (known[0] if span[2] else span[3]))
        high = int(span[3] or (max(known[-1], low) if span[2] else low))
        if high < low:
            raise ValueError(f"{_quoted(part)} runs backwards: write {high}-{low}.")
        for end in (low, high):
            if end not in known:
                raise ValueError(f"This project has no batch {end}; {_those_there_are(known)}.")
        numbers.update(range(low, high + 1))
    return frozenset(numbers)


def _those_there_are(known: Sequence[int]) -> str:
    return f"its batches are {known[0]} to {known[-1]}" if len(known) > 1 else f"its only batch is {known[0]}"


def _control(text: str) -> str:
    if text not in CONTROL:
        raise ValueError(f"{_quoted(text)} is not valid. Write only or without.")
    return text


def _agreement(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError(f"{_quoted(text)} is not a share. Write a number from 0 to 1, such as 0.8.")
    return share


def _yes_or_no(text: str) -> bool:
    if text.lower() not in YES + NO:
        raise ValueError(f"{_quoted(text)} is neither true nor false.")
    return text.lower() in YES


def _moment(text: str, name: str) -> datetime.datetime:
    """A date (its day in UTC: `until` takes it in whole) or a time with its zone."""
    try:
        moment = datetime.datetime.fromisoformat(_LOST_PLUS.sub(r"+\1", text))
    except ValueError:
        raise ValueError(
            f"{_quoted(text)} is no date or time. Write 2026-03-01 (a day in UTC) or 2026-03-01T14:30+01:00."
        ) from None
    try:
        if _DATE.fullmatch(text):
            day = moment.replace(tzinfo=datetime.UTC)
            return day + datetime.timedelta(days=1) if name == "until" else day
        if moment.tzinfo is None:
            raise ValueError(f"{_quoted(text)} has no zone. Add one, Z for UTC or +01:00, or give the date alone.")
        return moment.astimezone(datetime.UTC)
    except OverflowError:
        raise ValueError(f"{_quoted(text)} lies beyond what a calendar holds.") from None


def _quoted(text: str) -> str:
    """What was given, printable and short enough for one line."""
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    return repr(shown)


def _name_part(name: str, text: str, value: Any) -> str:
    """A filter as part of a file's name; only characters that every system takes."""
    if value is None or value is False:
        return ""
    if name == "batch":
        spans = _spans(sorted(value))
        if len(spans) > NAMED:
            return f"{len(value)}-batches"
        return f"batch-{spans}" if len(value) == 1 else f"batches-{spans}"
    if name == "control":
        return "control" if value == "only" else "without-control"
    if name == "agreement":
        return f"agreement-{value:g}"
    if name in ("skipped", "excluded", "copies"):
        return f"with-{name}"
    return f"{name}-{text}" if _DATE.fullmatch(text) else f"{name}-{value:%Y-%m-%dT%H%M%SZ}"


def _spans(numbers: Sequence[int]) -> str:
    """1, 2, 3 and 5 as `1-3+5`."""
    groups: list[list[int]] = []
    for each in numbers:
        if groups and each == groups[-1][-1] + 1:
            groups[-1].append(each)
        else:
            groups.append([each])
    return "+".join(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)
