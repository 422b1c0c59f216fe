"""What a request looks for among the items: read from its address, and written into the addresses that lead on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode

from labeling.items.filters import READERS, State, matching
from labeling.items.order import NEWEST, Order, Position, neighbours, order_for, position_of, read_position
from labeling.models import Item, Project
from labeling.models.items import ItemQuerySet
from labeling.projects.invisible import isolated
from labeling.web.items.forms import FindForm

# How each filter reads where it can be taken off again.
_SAID = {
    "search": "id holds “{}”",
    "label": "label: {}",
    "batch": "batch {}",
    "annotator": "by {}",
    "flagged": ("flagged", "not flagged"),
    "disagreement": ("in disagreement", "all agree"),
    "skips": ("somebody skipped it", "nobody skipped it"),
    "corrected": ("settled by a manager", "not settled"),
    "control": ("control", "not control"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, and the address without it."""

    text: str
    without: str


class Finding:
    """The filters of a request. What cannot be used is told by the form, and nothing is found."""

    def __init__(self, request: HttpRequest, project: Project) -> None:
        self.form = FindForm(request.GET, project=project)
        self.valid = self.form.is_valid()
        self._project = project
        self._given = {
            name: request.GET[name].strip()
            for name in (*READERS, "sort")
            if name in request.GET and request.GET[name].strip()
        }
        if self._given.get("sort") == NEWEST:
            del self._given["sort"]
        self.wanted = self.form.wanted

    @property
    def order(self) -> Order:
        return order_for(self.wanted, self.form.cleaned_data.get("sort") or NEWEST)

    @property
    def items(self) -> ItemQuerySet:
        found = matching(self._project, self.wanted)
        return found if self.valid else found.none()

    @property
    def filtered(self) -> bool:
        return any(name != "sort" for name in self._given)

    @property
    def wrong_below(self) -> bool:
        """Whether one of the filters that are folded away cannot be used: it has to be seen."""
        return bool(set(self.form.errors) - {"search", "label", "state", "sort"})

    @property
    def query(self) -> str:
        """The filters and the order as part of an address."""
        return urlencode(self._given)

    def with_place(self, name: str, place: Position | None) -> str:
        """The query with a place in it; empty without one."""
        return urlencode({**self._given, name: str(place)}) if place else ""

    def place(self, text: str | None) -> Position | None:
        """A place from an address, or none if it is none."""
        try:
            return read_position(text, self.order) if text else None
        except ValueError:
            return None

    def chips(self) -> list[Chip]:
        return [
            Chip(_said(name, text), urlencode({other: each for other, each in self._given.items() if other != name}))
            for name, text in self._given.items()
            if name != "sort" and name not in self.form.errors
        ]

    def around(self, item: Item, at: str | None = None) -> tuple[int | None, int | None]:
        """The ids of the items in front of and behind this one, or behind the place where it was."""
        return neighbours(self.items, self.order, self.place(at) or position_of(item, self.order))


def _said(name: str, text: str) -> str:
    if name == "state":
        return str(State(text).label)
    words: Any = _SAID[name]
    return words.format(isolated(text)) if isinstance(words, str) else words[text not in ("true", "yes")]
