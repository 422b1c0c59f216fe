"""The filters of a request for items, read from its query and written into the query of links."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.translation import gettext

from labeling.labels.items.filter_values import YES_OR_NO
from labeling.labels.items.item_filters import FILTERS, State, matching
from labeling.labels.items.order import (
    NEWEST,
    Order,
    Position,
    count_matching,
    known_position,
    order_for,
    position_of,
    rows_beside,
)
from labeling.models import Item, Project
from labeling.models.items import ItemQuerySet
from labeling.projects.people.invisible import isolated
from labeling.web.items.forms import FindForm


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter, and the query without it."""

    text: str
    without: str


class Finding:
    """The filters and the order of a request. With an invalid filter, the form has the error and no item matches."""

    def __init__(self, request: HttpRequest, project: Project) -> None:
        self.form = FindForm(request.GET, project=project)
        self.valid = self.form.is_valid()
        self._project = project
        self._typed = {
            name: request.GET[name].strip()
            for name in (*FILTERS, "sort")
            if name in request.GET and request.GET[name].strip()
        }
        # The newest labels come first by default, except where `like` sets another order.
        if self._typed.get("sort") == NEWEST and "like" not in self._typed:
            del self._typed["sort"]
        self.filter = self.form.filter
        # Excluded items are hidden unless a filter asks for them, like deleted ones.
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
        """Count the matching items up to a limit; return the count and whether there may be more."""
        return count_matching(self._project, self.filter) if self.valid else (0, False)

    @property
    def filtered(self) -> bool:
        return any(name != "sort" for name in self._typed)

    @property
    def wrong_below(self) -> bool:
        """Return whether a filter in the folded part of the form is invalid, so that the page must unfold it."""
        return any(field.errors for field in self.form.folded())

    @property
    def typed(self) -> dict[str, str]:
        """Return the filters and the order, as in the query."""
        return dict(self._typed)

    @property
    def filters(self) -> dict[str, str]:
        """Return the filters of the listed items for `read_filter`, implied filters included."""
        return self._typed | dict.fromkeys(self._implied, "false")

    @property
    def query(self) -> str:
        """Return the filters and the order as a query string."""
        return urlencode(self._typed)

    @property
    def tail(self) -> str:
        """Return the query string with its leading "?"; empty without filters."""
        return f"?{self.query}" if self._typed else ""

    def with_place(self, name: str, place: Position | None) -> str:
        """Return the query string with a position in the list; empty without a position."""
        return urlencode({**self._typed, name: str(place)}) if place else ""

    def place(self, text: str | None) -> Position | None:
        """Parse a position in the list; None if the text is no position."""
        return known_position(text, self.order)

    def position(self, item: Item) -> Position:
        """Return the item's own position in the list."""
        return position_of(item, self.order, self.filter)

    def chips(self) -> list[Chip]:
        return [
            Chip(
                self._sentence(name, text),
                # The order "most alike" needs the item of `like`.
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
            return gettext(each.chip[0 if YES_OR_NO[text] else 1])
        if each.choices:
            return gettext(dict(each.choices)[text])
        if name == "like" and "like" in self.filter:
            text = self.filter["like"].item.title
        parts = text.split(":", 1) if "{1}" in each.chip else [text]
        return gettext(each.chip).format(*map(isolated, parts))

    def around(self, item: Item, at: str | None = None) -> tuple[int | None, int | None]:
        """Return the ids of the previous and the next item, relative to this item or to its former position `at`."""
        return rows_beside(self.items, self.order, self.place(at) or self.position(item))
