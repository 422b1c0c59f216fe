"""What a request looks for among the items: read from its address, and written into the addresses that lead on."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.http import urlencode

from labeling.items.filters import FILTERS, State, matching
from labeling.items.order import (
    NEWEST,
    Order,
    Position,
    count_matching,
    known_position,
    neighbours,
    order_for,
    position_of,
)
from labeling.items.values import YES_OR_NO
from labeling.models import Item, Project
from labeling.models.items import ItemQuerySet
from labeling.projects.invisible import isolated
from labeling.web.items.forms import FindForm


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
        self._typed = {
            name: request.GET[name].strip()
            for name in (*FILTERS, "sort")
            if name in request.GET and request.GET[name].strip()
        }
        # The newest labels come first anyway, but where something else does.
        if self._typed.get("sort") == NEWEST and "like" not in self._typed:
            del self._typed["sort"]
        self.filter = self.form.filter
        # Excluded items have a list of their own, as deleted ones have.
        chosen = self.filter
        asked = "excluded" in chosen or chosen.get("deleted") or chosen.get("state") == State.EXCLUDED
        self._implied = {} if asked else {"excluded": False}
        self.filter = {**chosen, **self._implied}

    @property
    def order(self) -> Order:
        return order_for(self.filter, self.form.cleaned_data.get("sort") or "")

    @property
    def items(self) -> ItemQuerySet:
        items = matching(self._project, self.filter)
        return items if self.valid else items.none()

    def count(self) -> tuple[int, bool]:
        """How many there are, as far as they are counted, and whether there may be more."""
        return count_matching(self._project, self.filter) if self.valid else (0, False)

    @property
    def filtered(self) -> bool:
        return any(name != "sort" for name in self._typed)

    @property
    def wrong_below(self) -> bool:
        """Whether one of the filters that are folded away cannot be used: it has to be seen."""
        return any(field.errors for field in self.form.folded())

    @property
    def typed(self) -> dict[str, str]:
        """The filters and the order as they stand in an address."""
        return dict(self._typed)

    @property
    def filters(self) -> dict[str, str]:
        """The filters that let through the items of the list, as `read_filter` takes them."""
        return self._typed | dict.fromkeys(self._implied, "false")

    @property
    def query(self) -> str:
        """The filters and the order as part of an address."""
        return urlencode(self._typed)

    @property
    def tail(self) -> str:
        """The query as the end of an address."""
        return f"?{self.query}" if self._typed else ""

    def with_place(self, name: str, place: Position | None) -> str:
        """The query with a place in it; empty without one."""
        return urlencode({**self._typed, name: str(place)}) if place else ""

    def place(self, text: str | None) -> Position | None:
        """A place from an address, or none if it is none."""
        return known_position(text, self.order)

    def position(self, item: Item) -> Position:
        """Where the item itself is."""
        return position_of(item, self.order, self.filter)

    def chips(self) -> list[Chip]:
        return [
            Chip(
                self._sentence(name, text),
                # "Most alike" is no order without an item to be like.
                urlencode(
                    {key: each for key, each in self._typed.items() if key not in (name, name == "like" and "sort")}
                ),
            )
            for name, text in self._typed.items()
            if name != "sort" and name not in self.form.errors
        ]

    def _sentence(self, name: str, text: str) -> str:
        each = FILTERS[name]
        if isinstance(each.chip, tuple):
            return each.chip[0 if YES_OR_NO[text] else 1]
        if each.choices:
            return dict(each.choices)[text]
        if name == "like" and "like" in self.filter:
            text = self.filter["like"].item.external_id
        parts = text.split(":", 1) if "{1}" in each.chip else [text]
        return each.chip.format(*map(isolated, parts))

    def around(self, item: Item, at: str | None = None) -> tuple[int | None, int | None]:
        """The ids of the items in front of and behind this one, or behind the place where it was."""
        return neighbours(self.items, self.order, self.place(at) or self.position(item))
