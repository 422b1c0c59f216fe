"""The layout of a file: its encoding and delimiter, and the columns that hold an item's content, id and label.

A file in the product's own form needs no layout. The options below are the same in commands, the API and the page.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

from django.utils.translation import gettext

from labeling.kinds.wording import excerpt, printable

ANSWERS = ("annotations", "skips")
"""The columns of an export that hold its answers. They are read together with the column `label`."""

ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252",
    "iso8859-1": "Latin-1",
    "iso8859-15": "Latin-9",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "mac-roman": "Mac Roman",
    "shift_jis": "Shift JIS",
    "gb18030": "GB 18030",
}
"""The encodings of text files that are read, by Python's name."""

DELIMITERS = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Vertical bar"}


class LabelsAs(NamedTuple):
    """A use of the labels in a file. `column` is the product's own column for it; "" to leave the labels out.

    `settled`: batches do not ask people about these items.
    """

    title: str
    column: str
    consequence: str
    settled: bool = False


NOTHING_LEFT = "No items would be left to label."


LABELS_AS = {
    "trusted": LabelsAs(
        "Labels I trust",
        "label",
        "{labels}: the model trains on them immediately. Annotators do not get these items.",
        settled=True,
    ),
    "suggestions": LabelsAs(
        "Suggestions to check",
        "suggestion",
        "{labels}: annotators see them as suggestions and confirm or change them. No model learns from them.",
    ),
    "gold": LabelsAs(
        "Known answers, for gold items",
        "gold",
        "{labels}: these become gold items. They are mixed in with other items to check annotators, at "
        "the gold share in the settings.",
        settled=True,
    ),
    "truth": LabelsAs(
        "Hide them, for simulation",
        "truth",
        "{labels}, hidden from annotators. They label these items as if nothing were known.",
    ),
    "ignore": LabelsAs("Ignore them", "", "{labels}, not imported. Annotators label all items."),
}


UNKNOWN_LABELS = ("add", "unlabeled")
"""What becomes of labels that are no classes: new classes, or nothing, so that the row is an item without a label."""


class LayoutError(ValueError):
    """An option of a layout is not valid. `option` is its name."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


OPTIONS = {
    "text_column": "The column of the texts. Default: text.",
    "media_column": "The column of the images, recordings or vectors. Default: the name of the kind.",
    "id_column": "The column that names the item. Default: id.",
    "label_column": "The column of the labels. Default: label.",
    "labels_as": f"What the labels of the file, or the classes that its folders name, are: {', '.join(LABELS_AS)}. "
    "Default: the column's labels are trusted, folders are truth.",
    "unknown_labels": "What becomes of labels that are no classes: add, for new classes, or unlabeled, for items "
    "without a label. Default: their rows are rejected.",
    "leave_out": "Columns to leave out, separated by commas. All other columns are shown beside the item.",
    "encoding": f"The encoding of a text file, such as {', '.join(list(ENCODINGS.values())[1:4])}. Default: UTF-8.",
    "delimiter": 'The delimiter of a CSV file: one character, or "tab". Default: found in the header.',
}
"""The options of a layout, with their help. A name within an object is written with dots: meta.source."""

_COLUMNS = ("text_column", "media_column", "id_column", "label_column")


@dataclass(frozen=True)
class Layout:
    """The options as given; "" where the product's own form holds. Build one of texts with `read`.

    With `unsettled`, a file with any columns is opened, so that the columns can be chosen.
    """

    text_column: str = ""
    media_column: str = ""
    id_column: str = ""
    label_column: str = ""
    labels_as: str = ""
    unknown_labels: str = ""
    leave_out: tuple[str, ...] = ()
    encoding: str = ""
    delimiter: str = ""
    unsettled: bool = False

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Return the layout of texts from a command, a request or a stored import. Raises `LayoutError`."""
        given = {name: values[name] for name in OPTIONS if values.get(name)}
        left_out = given.get("leave_out", ())
        if isinstance(left_out, str):
            left_out = [name.strip() for name in left_out.split(",")]
        given["leave_out"] = tuple(name for name in left_out if name)
        given["encoding"] = _encoding(given.get("encoding", ""))
        given["delimiter"] = _delimiter(given.get("delimiter", ""))
        for option, names in (("labels_as", LABELS_AS), ("unknown_labels", UNKNOWN_LABELS)):
            if option in given and given[option] not in names:
                raise LayoutError(option, gettext("Choose one of %(names)s.") % {"names": ", ".join(names)})
        layout = cls(**given)
        if layout.text_column and layout.media_column:
            raise LayoutError("media_column", gettext("Name either the text column or the media column, not both."))
        return layout

    def stored(self) -> dict[str, Any]:
        """Return the options that differ from the product's own form, as JSON."""
        return {name: value for name, value in asdict(self).items() if value and name != "unsettled"}

    @property
    def adds_classes(self) -> bool:
        """Whether labels that are no classes become classes."""
        return self.unknown_labels == "add" and self.labels_as != "ignore"

    @property
    def content(self) -> str:
        """The column of the content; "" for the product's own."""
        return self.text_column or self.media_column

    @property
    def folders_as(self) -> str:
        """The product's own column for the class that a file's folder names; "" if folders say nothing."""
        return LABELS_AS[self.labels_as].column if self.labels_as else "truth"

    @cached_property
    def named(self) -> tuple[str, ...]:
        """The columns that must be in the file."""
        return tuple(name for name in (self.content, self.id_column, self.label_column) if name)

    @cached_property
    def taken(self) -> frozenset[str]:
        """The columns that are no part of a vector and not shown beside the item."""
        return frozenset({*self.named, *self.leave_out})

    @cached_property
    def keeps_columns(self) -> bool:
        """Whether all columns keep their names."""
        return not (self.taken or self.labels_as)

    def own(self, row: Mapping[str, Any], content_column: str) -> dict[str, Any]:
        """Return the row in the product's own columns. A column whose place another one takes is left out."""
        left = dict(row)
        moved = [
            (target, taken) for column, target in self._moves(content_column) if (taken := _pop_column(left, column))
        ]
        for target, _ in moved:
            left.pop(target, None)
            if target == "id":
                left.pop("external_id", None)
        left.update((target, value) for target, (value,) in moved if target)
        return left

    def within(self, row: Mapping[str, Any]) -> Layout:
        """Return the layout without the columns that this row has not. A row in the product's own form needs none."""
        absent: dict[str, Any] = {option: "" for option in _COLUMNS if _is_absent(getattr(self, option), row)}
        return replace(self, **absent)

    def named_in(self, problem: str, content_column: str) -> str:
        """Return the problem of a row with the names that its columns have in the file."""
        names = {target: printable(column) for column, target in self._moves(content_column) if target}
        return re.sub(r'column "(\w+)"', lambda found: f'column "{names.get(found[1], found[1])}"', problem)

    def _moves(self, content_column: str) -> list[tuple[str, str]]:
        """Return the columns that change their names, with the new names; "" for a column to leave out."""
        moves = [(name, "") for name in self.leave_out if name not in self.named]
        if self.content:
            moves.append((self.content, content_column))
        if self.id_column and self.id_column != "external_id":  # an export is known by this name
            moves.append((self.id_column, "id"))
        if self.label_column or self.labels_as:
            target = LABELS_AS[self.labels_as or "trusted"].column
            moves.append((self.label_column or "label", target))
            if target != "label":
                moves += [(name, "") for name in ANSWERS]
        return moves


def missing(layout: Layout, columns: Collection[str]) -> list[str]:
    """Return the columns that the layout names and a table with these columns has not."""
    return [name for name in layout.named if name not in columns and name.partition(".")[0] not in columns]


def _is_absent(name: str, row: Mapping[str, Any]) -> bool:
    return bool(name) and _pop_column(dict(row), name) is None


def _pop_column(left: dict[str, Any], column: str) -> tuple[Any] | None:
    """Remove the column from the row, and return its value in a tuple; None if there is no such column."""
    if column in left:
        return (left.pop(column),)
    outer, _, inner = column.partition(".")
    nested = left.get(outer)
    if not inner or not isinstance(nested, dict):
        return None
    left[outer] = nested = dict(nested)
    return _pop_column(nested, inner)


def _encoding(given: str) -> str:
    """Return Python's name of the encoding; "" for UTF-8. Raises `LayoutError`."""
    try:
        name = codecs.lookup(given.strip()).name if given.strip() else "utf-8"
    except (LookupError, ValueError):
        name = ""
    name = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16"}.get(name, name)
    if name not in ENCODINGS:
        raise LayoutError(
            "encoding",
            gettext("“%(given)s” is not one of %(values)s.")
            % {"given": excerpt(given)[:40], "values": ", ".join(ENCODINGS.values())},
        )
    return "" if name == "utf-8" else name


def _delimiter(given: str) -> str:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(given.lower(), given)
    if delimiter and delimiter not in DELIMITERS:
        raise LayoutError("delimiter", gettext("Choose a comma, a semicolon, a vertical bar, or tab."))
    return delimiter


assert OPTIONS.keys() == {field.name for field in fields(Layout)} - {"unsettled"}
