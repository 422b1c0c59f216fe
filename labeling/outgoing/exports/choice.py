"""The filters of exports: the page, the API and the command read the same texts."""

import datetime
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.utils.translation import gettext

from labeling.labels.items.filter import TEXT, YES_OR_NO, Filter, FilterError, read_values
from labeling.models import DatasetVersion, Item, Project
from labeling.models.certificates import CertificateQuerySet
from labeling.models.near_copies import CopyQuerySet
from labeling.storage.db.statements import stored

YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
# The name of a file has only the number of batches if their list is longer than this.
NAMED = 40
OF_THE_FILE = ("dataset", "columns", "delimiter")
"""The filters that choose no rows of the present labels."""
DELIMITERS = {"comma": ",", "semicolon": ";"}

_SPAN = re.compile(r"(\d{1,9})?(-)?(\d{1,9})?", re.ASCII)
# In an address a plus sign stands for a space, so `+02:00` often arrives without its plus sign.
_LOST_PLUS = re.compile(r" (\d\d:?\d\d)\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Unasked = TypeVar("Unasked", CopyQuerySet, CertificateQuerySet)
Condition = tuple[str, list[Any]]
"""A condition on `task` and its `item` in a statement, "" for none, and its values."""


@dataclass(frozen=True, slots=True)
class ExportFilter(Filter):
    """A filter of the rows of an export. A yes-or-no filter adds rows."""

    hint: str = ""
    """The help below its field on the page."""
    metavar: str = ""
    """The name of the value in the command's help; "" for an option without a value."""
    condition: Callable[[Any], Condition] = lambda value: ("", [])
    """The condition that the value, or None, comes to."""
    adds: str = ""
    """A condition like `condition`: if the value is true, tasks whose item has no label are rows, too, if it holds."""
    unasked: Callable[[str, Any], dict[str, Any] | None] = lambda time, value: {}
    """Of the rows that no person was asked about, the lookups of those that the value leaves, by the name of the field
    with the time of their label; None if it leaves none.
    """
    file_part: Callable[[str, Any], str] = lambda text, value: text
    """The text and its value as a part of a file's name: only characters that every system takes."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The rows of an export: the values of the set filters, by name. Without filters, all labeled items."""

    values: Mapping[str, Any] = field(default_factory=dict)
    name_part: str = ""  # the filters as part of a file's name

    def get(self, name: str) -> Any:
        """Return the value of the filter; None if it is not set."""
        return self.values.get(name)

    def condition(self) -> Condition:
        """Return the SQL condition of all filters except the filter by batch; the project is not a part of it."""
        added = [each.adds for name, each in FILTERS.items() if each.adds and self.get(name)]
        parts: list[Condition] = [(f"({' OR '.join(['item.label IS NOT NULL', *added])})", [])]
        parts += [each.condition(self.get(name)) for name, each in FILTERS.items()]
        return " AND ".join(sql for sql, _ in parts if sql), [value for _, values in parts for value in values]

    def of_unasked(self, rows: Unasked, time: str) -> Unasked:
        """Return the near-copies or certificates that match all filters except the filter by batch. `time`: the field
        with the time of their labels.
        """
        for name, value in self.values.items():
            lookups = FILTERS[name].unasked(time, value)
            rows = rows.none() if lookups is None else rows.filter(**lookups)
        return rows

    def file_name(self, project: Project, suffix: str) -> str:
        return f"{project.slug}-{self.name_part or 'labels'}{suffix}"


def choose(project: Project, query: Mapping[str, Any]) -> Choice:
    """Read filters from texts: a missing or empty text sets no filter. One query if batches are named. Raises
    `FilterError`, with a sentence for every filter that cannot be used.
    """
    values, errors = read_values(FILTERS, project, query)
    if "since" in values and "until" in values and values["until"] <= values["since"]:
        errors["until"] = gettext("The end must be after the start.")
    if "dataset" in values and (more := sorted(name for name in values if name not in OF_THE_FILE and values[name])):
        text = gettext("A dataset version has the rows of its own filters: leave out %(names)s.")
        errors["dataset"] = text % {"names": ", ".join(more)}
    if errors:
        raise FilterError(errors)
    values = {name: value for name, value in values.items() if value is not False}
    parts = [FILTERS[name].file_part(str(query[name]).strip(), value) for name, value in values.items()]
    return Choice(values, "-".join(filter(None, parts)))


def _batches(project: Project, text: str) -> frozenset[int]:
    """Read `3`, `1,4`, `2-5`, `6-` (from 6 on), `-3` (up to 3), or several of these between commas. One query."""
    known = list(project.batches.order_by("number").values_list("number", flat=True))
    if not known:
        raise LookupError(gettext("This project has no batch yet."))
    numbers: set[int] = set()
    for part in text.replace(" ", "").replace("–", "-").split(","):
        span = _SPAN.fullmatch(part)
        if not part or not span or part == "-":
            sentence = gettext(
                "%(text)s is not a list of batches. Enter a number, a range or a list: 3 or 2-5 or 1,4,6-."
            )
            raise _refused(sentence, text)
        low = int(span[1] or (known[0] if span[2] else span[3]))
        high = int(span[3] or (max(known[-1], low) if span[2] else low))
        if high < low:
            raise LookupError(
                gettext("%(part)s is in reverse order. Enter %(high)s-%(low)s.")
                % {"part": _quoted(part), "high": high, "low": low}
            )
        for end in (low, high):
            if end not in known:
                raise LookupError(_no_batch(known) % {"n": end, "first": known[0], "last": known[-1]})
        numbers.update(range(low, high + 1))
    return frozenset(numbers)


def _no_batch(known: Sequence[int]) -> str:
    if len(known) > 1:
        return gettext("This project has no batch %(n)s; its batches are %(first)s to %(last)s.")
    return gettext("This project has no batch %(n)s; its only batch is %(first)s.")


def whole_dataset(project: Project, text: str) -> DatasetVersion:
    """Return the dataset version with this name. Raises LookupError if there is none, or if it is not written."""
    found = project.datasets.select_related("project").named(text).first()
    if found is None:
        raise _refused(gettext("This project has no dataset version %(text)s."), text)
    if found.state != DatasetVersion.State.WHOLE:
        raise LookupError(
            gettext("%(text)s is not available: %(value)s.")
            % {"text": text, "value": found.reason or gettext("a worker has not written it yet")}
        )
    return found


def _agreement(project: Project, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise _refused(gettext("%(text)s is not a share. Enter a number from 0 to 1, for example 0.8."), text)
    return share


def _yes_or_no(project: Project, text: str) -> bool:
    if text.lower() not in YES + NO:
        raise _refused(gettext("%(text)s is neither true nor false."), text)
    return text.lower() in YES


def _until(project: Project, text: str) -> datetime.datetime:
    return _moment(project, text, days=1)


def _moment(project: Project, text: str, days: int = 0) -> datetime.datetime:
    """Return the start, in UTC, of the date in `text`, `days` days later; or the time with its zone in `text`."""
    try:
        moment = datetime.datetime.fromisoformat(_LOST_PLUS.sub(r"+\1", text))
    except ValueError:
        sentence = gettext("%(text)s is not a date or time. Enter 2026-03-01 (a day in UTC) or 2026-03-01T14:30+01:00.")
        raise _refused(sentence, text) from None
    try:
        if _DATE.fullmatch(text):
            return moment.replace(tzinfo=datetime.UTC) + datetime.timedelta(days=days)
        if moment.tzinfo is None:
            sentence = gettext("%(text)s has no time zone. Add one (Z for UTC, or +01:00), or enter only the date.")
            raise _refused(sentence, text)
        return moment.astimezone(datetime.UTC)
    except OverflowError:
        raise _refused(gettext("%(text)s is out of range."), text) from None


def _refused(sentence: str, text: str, **values: str) -> LookupError:
    return LookupError(sentence % {"text": _quoted(text), **values})


def _quoted(text: str) -> str:
    """Return the text in quotation marks, printable and short enough for one line."""
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    return repr(shown)


def spans(numbers: Sequence[int], between: str) -> str:
    """Format numbers as spans: 1, 2, 3 and 5 as `1-3+5`, with `+` between them."""
    groups: list[list[int]] = []
    for each in numbers:
        if groups and each == groups[-1][-1] + 1:
            groups[-1].append(each)
        else:
            groups.append([each])
    return between.join(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)


def _batches_part(text: str, numbers: frozenset[int]) -> str:
    named = spans(sorted(numbers), "+")
    if len(named) > NAMED:
        return f"{len(numbers)}-batches"
    return f"batch-{named}" if len(numbers) == 1 else f"batches-{named}"


def _moment_part(name: str) -> Callable[[str, datetime.datetime], str]:
    return lambda text, at: f"{name}-{text}" if _DATE.fullmatch(text) else f"{name}-{at:%Y-%m-%dT%H%M%SZ}"


def _compared(column: str, operator: str) -> Callable[[Any], Condition]:
    """Return a function from a value to the condition that compares the item's column with the value."""

    def condition(value: Any) -> Condition:
        return ("", []) if value is None else (f"item.{column} {operator} %s", [stored(Item, column, value)])

    return condition


def _choosing(first: str, second: str) -> dict[str, Any]:
    """Return the arguments of a filter whose text is one of two words."""

    def read(project: Project, text: str) -> str:
        if text not in (first, second):
            sentence = gettext("%(text)s is not valid. Enter %(first)s or %(second)s.")
            raise _refused(sentence, text, first=first, second=second)
        return text

    return {"read": read, "schema": {**TEXT, "enum": [first, second]}, "metavar": f"{first}|{second}"}


def _adding(name: str, label: str, meaning: str, **more: Any) -> ExportFilter:
    schema = {**YES_OR_NO, "default": False}
    return ExportFilter(name, label, meaning, _yes_or_no, schema, file_part=lambda text, value: f"with-{name}", **more)


_ANSWERED = """EXISTS (
    SELECT 1 FROM labeling_task asked JOIN labeling_annotation answer ON answer.task_id = asked.id
    WHERE (asked.id = task.id OR (asked.repeats_id = item.id AND NOT asked.is_gold))
        AND answer.undone_at IS NULL AND answer.value IS NOT NULL)"""
_CERTIFIED = """(item.excluded_at IS NULL AND EXISTS (
    SELECT 1 FROM labeling_certifiedlabel certified
    JOIN labeling_certificate certificate ON certificate.id = certified.certificate_id
    WHERE certified.item_id = item.id AND certificate.suspended_at IS NULL AND certificate.digest <> ''))"""
_WHEN = "a day in UTC (`2026-03-01`) or a time with its zone (`2026-03-01T14:30+01:00`)"
_DECLARED = (
    ExportFilter(
        "dataset", "Dataset version",
        "The rows of this dataset version, as they were then. Filters of rows cannot be added.",
        whole_dataset, metavar="NAME", attrs={"placeholder": "labels as they are now"},
        file_part=lambda text, dataset: text,
    ),
    ExportFilter(
        "batch", "Batches",
        "Only items of these batches: one (`3`), several (`1,4`), a range (`2-5`), all from one on (`6-`), or a "
        "list of these.",
        _batches, metavar="N", attrs={"placeholder": "all", "class": "figure"}, file_part=_batches_part,
    ),
    ExportFilter(
        "control", "Control items", "`only`: control items alone; `without`: all others.",
        **_choosing("only", "without"), hint="A random sample of the pool that no model learns from.",
        choices=(("only", "Only these"), ("without", "Exclude them")), unset="Include",
        condition=lambda value: ({None: "", "only": "task.is_control", "without": "NOT task.is_control"}[value], []),
        unasked=lambda time, value: None if value == "only" else {},
        file_part=lambda text, value: "control" if value == "only" else "without-control",
    ),
    ExportFilter(
        "since", "Labeled since",
        f"Only labels settled at that time or later: {_WHEN}.",
        _moment, hint="A day in UTC.", metavar="TIME", attrs={"type": "date", "class": "figure"},
        condition=_compared("labeled_at", ">="), unasked=lambda time, at: {f"{time}__gte": at},
        file_part=_moment_part("since"),
    ),
    ExportFilter(
        "until", "Labeled until",
        f"Only labels settled before that time, or on that day at the latest: {_WHEN}.",
        _until, hint="Includes this day.", metavar="TIME", attrs={"type": "date", "class": "figure"},
        condition=_compared("labeled_at", "<"), unasked=lambda time, at: {f"{time}__lt": at},
        file_part=_moment_part("until"),
    ),
    ExportFilter(
        "agreement", "Minimum agreement", "Only labels with at least this agreement, from 0 to 1.",
        _agreement, hint="The share of the annotations that agree with the label, from 0 to 1.",
        schema={"type": "number", "minimum": 0, "maximum": 1}, metavar="SHARE",
        attrs={"placeholder": "any", "class": "figure", "inputmode": "decimal"},
        condition=_compared("agreement", ">="), unasked=lambda time, share: None,
        file_part=lambda text, share: f"agreement-{share:g}",
    ),
    _adding(
        "skipped", "Include items that all annotators skipped",
        "Also items that all annotators skipped. They have no label, agreement or time of labeling: `agreement`, "
        "`since` and `until` leave them out.",
        hint="They have no label. The column “skips” shows who skipped them and why.",
        adds="task.outstanding = 0",
    ),
    _adding(
        "unresolved", "Include items that have answers but no label",
        "Also items that people answered and that have no label: ties that wait for review, and tasks that still lack "
        "answers. All their answers are in the row, so that agreement can be computed again. `since` and `until` leave "
        "them out.",
        hint="Ties that wait for review, and tasks that lack answers. All answers are in “annotations”.",
        adds=_ANSWERED,
    ),
    _adding(
        "excluded", "Include excluded and deleted items",
        "Also items that a manager excluded or deleted, if they match the other filters.",
        condition=lambda yes: ("" if yes else "item.excluded_at IS NULL", []),
    ),
    _adding(
        "copies", "Include near-copies",
        "Also near-copies, after the items of the batch that showed them. They have the label of another item and "
        "no answers: `agreement` and `control=only` leave them out; `since` and `until` use the time of that "
        "item's label.",
        hint="They have the label of another item, which the column “propagated_from” names.",
    ),
    _adding(
        "certified", "Include certified labels",
        "Also labels that a model gave and a certificate covers, after all others. No person was asked about their "
        "items, so they have no answers: `batch`, `agreement` and `control=only` leave them out; `since` and `until` "
        "use the date of the certificate.",
        hint="A model gave them. The column “certificate” says which proof covers them.",
        adds=_CERTIFIED,
    ),
    ExportFilter(
        "columns", "Columns of the CSV",
        "`short`: a CSV for people, with the text or file name, the imported fields, the label, who gave it and when; "
        "`full`, the default: all columns. Other formats always have all.",
        **_choosing("full", "short"),
        choices=(("full", "All columns"),), unset="The item, its label, who and when",
        file_part=lambda text, value: "",
    ),
    ExportFilter(
        "delimiter", "CSV delimiter",
        "`comma` or `semicolon`: a CSV for Excel, which begins with a byte order mark and quotes all texts; Excel in "
        "German, French and other languages needs the semicolon. Left out: a comma, and the mark and the quotes only "
        "with `columns=short`.",
        **_choosing(*DELIMITERS),
        choices=(("semicolon", "semicolon, for Excel in German, French, …"),), unset="comma",
        file_part=lambda text, value: "",
    ),
)  # fmt: skip
FILTERS: dict[str, ExportFilter] = {each.name: each for each in _DECLARED}
"""By name, in the order in which a file's name tells them."""
