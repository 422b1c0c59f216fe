"""The forms of the item pages, and the filters of a request, which links carry on. They write nothing."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy, pgettext

from labeling.labels.items.filter import FilterError
from labeling.labels.items.filter_values import YES_OR_NO, unknown_class
from labeling.labels.items.item_filters import FILTERS, LONGEST, Chosen, State, matching, read_filter
from labeling.labels.items.order import (
    ALIKE,
    NEWEST,
    ORDERS,
    SORTS,
    Order,
    Position,
    count_matching,
    known_position,
    order_for,
    position_of,
    rows_beside,
)
from labeling.labels.items.records import ItemRecord
from labeling.models import Item, Project
from labeling.models.items import ItemQuerySet
from labeling.projects.people.invisible import isolated
from labeling.questions import InvalidValue, Stored
from labeling.questions.base import Editor
from labeling.queue.reading import read_value
from labeling.web.shared.forms import ErrorsInForm, filter_field

# As many classes as there are digit keys, 1 to 9 and 0 for the tenth; with more classes, the page has a search field.
MAX_CHOICES = 10
# Longer lists of classes are not part of the page, which proposes names while the user types.
MAX_LISTED = 200

NO_CHOICE = gettext_lazy("Choose what it is.")


class FindForm(forms.Form):
    """The filters of a list of items. `filter` holds their values once the form is valid."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "find-%s"
        self._project = project
        self.filter: Chosen = {}
        self.fields |= {name: filter_field(each, longest=LONGEST) for name, each in FILTERS.items()}
        self.fields["label"].label = pgettext("noun", "Label")  # elsewhere it is what an annotator does
        self.fields["like"].widget = forms.HiddenInput()
        sorts = {ALIKE: SORTS[ALIKE], **ORDERS} if self.data.get("like") else ORDERS
        choices = [(name, gettext(order.title)) for name, order in sorts.items()]
        self.fields["sort"] = forms.CharField(
            label=gettext("Sort by"), required=False, widget=forms.Select(choices=choices)
        )
        if project.asks.proposes:
            choices = [("", gettext("any")), ("yes", gettext("yes")), ("no", gettext("no"))]
            for name, each in FILTERS.items():
                if each.attrs.get("list") == "classes":
                    self.fields[name].widget = forms.Select(choices=choices)

    def front(self) -> list[forms.BoundField]:
        """Return the fields that are always visible."""
        return [*self._at("front"), self["sort"]]

    def folded(self) -> list[forms.BoundField]:
        """Return the fields in the folded part. Fields for predictions need stored predictions, or an error."""
        stored = not self._project.asks.why_best_class_is_no_answer
        return [field for field in self._at("folded") if field.name != "predicted" or stored or field.errors]

    def _at(self, place: str) -> list[forms.BoundField]:
        return [self[name] for name, each in FILTERS.items() if each.place == place]

    def clean_sort(self) -> str:
        sort = self.cleaned_data["sort"]
        if sort and sort not in SORTS:
            raise ValidationError(gettext("Choose one of %(names)s.") % {"names": ", ".join(SORTS)})
        return str(sort)

    def clean(self) -> None:
        asked = {name: value for name, value in self.cleaned_data.items() if name in FILTERS}
        with ErrorsInForm(self, FilterError):
            self.filter = read_filter(self._project, asked)


class _Names(forms.MultipleChoiceField):
    """Names of classes; `read_value` checks that the classes exist."""

    def valid_value(self, value: Any) -> bool:
        return True


class CorrectionForm(forms.Form):
    """The label of an item. `stored` holds the value as the database stores it, once the form is valid."""

    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=300,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("The reason, for people who look at the item later."),
    )

    def __init__(self, *args: Any, project: Project, record: ItemRecord, classes: list[str], **kwargs: Any) -> None:
        """`classes` holds all class names in order, or none if there are too many for buttons."""
        super().__init__(*args, **kwargs)
        self.auto_id = "correct-%s"
        self._project = project
        self.stored: Stored | None = None
        label = record.certified.value if record.certified else record.item.label
        shown = project.asks.show(label, record.names)
        editor = project.asks.editor
        if editor == Editor.YES_OR_NO:
            self._choose_one(
                [("true", gettext("Yes")), ("false", gettext("No"))], shown if shown is None else str(shown).lower()
            )
        elif editor == Editor.CLASSES:
            self._choose_many(classes or self._near(record), shown or [], all_there=bool(classes))
        elif editor == Editor.ONE_CLASS and classes:
            self._choose_one([(name, name) for name in classes], shown)
        else:
            self.fields["value"] = forms.CharField(
                label=gettext("Class") if editor == Editor.ONE_CLASS else gettext(project.asks.prompt_for_managers),
                initial="" if shown is None else project.asks.cell(shown),
                error_messages={"required": NO_CHOICE},
                widget=forms.TextInput(attrs={"list": "classes", "autocomplete": "off", "spellcheck": "false"}),
            )
        self.order_fields(["value", "also", "note"])

    def _choose_one(self, choices: list[tuple[str, str]], initial: str | None) -> None:
        self.fields["value"] = forms.ChoiceField(
            label=gettext(self._project.asks.prompt_for_managers),
            choices=choices,
            widget=forms.RadioSelect,
            initial=initial,
            error_messages={"required": NO_CHOICE},
        )

    def _choose_many(self, names: list[str], initial: list[str], *, all_there: bool) -> None:
        self.fields["value"] = _Names(
            label=gettext(self._project.asks.prompt_for_managers),
            choices=[(name, name) for name in names],
            widget=forms.CheckboxSelectMultiple,
            initial=initial,
            required=False,
        )
        if not all_there:
            self.fields["also"] = forms.CharField(
                label=gettext("One more class"),
                required=False,
                widget=forms.TextInput(attrs={"list": "classes", "autocomplete": "off", "spellcheck": "false"}),
            )

    def _near(self, record: ItemRecord) -> list[str]:
        """Return the classes among the item's answers and labels, and those in the form's data."""
        sent = self.data.getlist("value") if hasattr(self.data, "getlist") else []
        return list(dict.fromkeys([*record.names.values(), *sent]))

    def clean(self) -> None:
        value: Any = self.cleaned_data.get("value")
        if "value" in self.errors or "also" in self.errors:
            return
        asks, also = self._project.asks, self.cleaned_data.get("also")
        if also:
            value = [*value, also]
        typed = also or (value if asks.editor == Editor.ONE_CLASS else "")
        try:
            self.stored = read_value(self._project, asks.from_cell(value))
        except InvalidValue as error:
            self.add_error("also" if also else "value", unknown_class(self._project, typed) if typed else str(error))


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
