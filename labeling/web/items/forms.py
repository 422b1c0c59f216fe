"""Forms of the item pages: the filters, and the label of an item. They write nothing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy, pgettext

from labeling.labels.items.filter import FilterError
from labeling.labels.items.filter_values import unknown_class
from labeling.labels.items.item_filters import FILTERS, LONGEST, Chosen, read_filter
from labeling.labels.items.order import ALIKE, ORDERS, SORTS
from labeling.labels.items.records import ItemRecord
from labeling.models import Project
from labeling.questions import InvalidValue, Stored
from labeling.queue.reading import read_value
from labeling.web.shared.forms import filter_field

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
                    self.fields[name].widget = forms.Select(
                        choices=[("", gettext("any")), ("yes", gettext("yes")), ("no", gettext("no"))]
                    )

    def front(self) -> list[forms.BoundField]:
        """Return the fields that are always visible."""
        return [*self._at("front"), self["sort"]]

    def folded(self) -> list[forms.BoundField]:
        """Return the fields in the folded part. Fields for predictions need stored predictions, or an error."""
        stored = not self._project.asks.best_is_no_answer
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
        try:
            self.filter = read_filter(self._project, asked)
        except FilterError as error:
            for name, text in error.fields.items():
                self.add_error(name, text)


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
        if project.asks.proposes:
            self._choose_one(
                [("true", gettext("Yes")), ("false", gettext("No"))], shown if shown is None else str(shown).lower()
            )
        elif project.asks.per_class:
            self._choose_many(classes or self._near(record), shown or [], all_there=bool(classes))
        elif classes and not project.asks.several:
            self._choose_one([(name, name) for name in classes], shown)
        else:
            self.fields["value"] = forms.CharField(
                label=gettext("Classes") if project.asks.several else gettext("Class"),
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
        typed = also or ("" if asks.proposes or asks.several else value)
        try:
            shown = value if asks.per_class else asks.from_texts([part.strip() for part in asks.split(value)])
            self.stored = read_value(self._project, shown)
        except InvalidValue as error:
            self.add_error("also" if also else "value", unknown_class(self._project, typed) if typed else str(error))
