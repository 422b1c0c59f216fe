"""Forms of the item pages: what is looked for, and what an item is said to be. Nothing is written here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from labeling.answering.reading import read_value
from labeling.items.filters import LONGEST, READERS, FilterError, ItemFilter, State, read_filter, unknown_class
from labeling.items.order import ALIKE, ORDERS, SORTS
from labeling.items.records import ItemRecord
from labeling.models import Project
from labeling.questions import InvalidValue, Stored

# As many classes as there are digit keys: 1 to 9, and 0 for the tenth. Beyond, one is searched for.
MAX_CHOICES = 10
# Longer lists of classes are not sent with the page: names are proposed while somebody types.
MAX_LISTED = 200

NO_CHOICE = "Choose what it is."


def _text(label: str, **attrs: str) -> forms.CharField:
    plain = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    return forms.CharField(
        label=label, required=False, max_length=LONGEST, widget=forms.TextInput(attrs={**plain, **attrs})
    )


def _choice(label: str, *choices: tuple[str, str], **options: Any) -> forms.CharField:
    return forms.CharField(
        label=label, required=False, widget=forms.Select(choices=[("", "any"), *choices] if not options else choices)
    )


def _yes_or_no(label: str, yes: str, no: str) -> forms.CharField:
    return _choice(label, ("true", yes), ("false", no))


class FindForm(forms.Form):
    """What is looked for; `filter` holds it, read, once the form is valid."""

    like = forms.CharField(required=False, max_length=LONGEST, widget=forms.HiddenInput)
    q = _text("Words", type="search", placeholder='word, "exact phrase", field:value')
    search = _text("Id holds", type="search")
    label = _text("Label", list="classes")
    state = _choice("State", *State.choices)
    batch = _text("Batch", inputmode="numeric")
    cluster = _text("Cluster", placeholder="batch:cluster")
    predicted = _text("Predicted", placeholder="version:class")
    annotator = _text("Annotator", list="annotators")
    answered = _text("Answered", list="classes")
    against = _text("Another answered", list="classes")
    divided = _text("Divided on", list="classes")
    unlike = _text("Answered differently by", list="annotators")
    known = _text("Known to be", list="classes")
    flagged = _yes_or_no("Flag", "flagged", "not flagged")
    disagreement = _yes_or_no("Agreement", "in disagreement", "all agree")
    skips = _yes_or_no("Skips", "somebody skipped it", "nobody skipped it")
    corrected = _yes_or_no("Settled by a manager", "settled", "not settled")
    control = _yes_or_no("Control slice", "in it", "not in it")
    gold = _yes_or_no("Gold", "gold", "not gold")
    queued = _yes_or_no("Queued for labeling", "queued", "not queued")
    propagated = _yes_or_no("Labeled as a near-copy", "labeled as one", "not labeled as one")
    excluded = _choice("Excluded", ("", "not excluded"), ("true", "excluded"), whole=True)
    deleted = _choice("Deleted", ("", "not deleted"), ("true", "deleted"), whole=True)
    sort = _choice("Sort by", *((name, order.title) for name, order in ORDERS.items()), whole=True)

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "find-%s"
        self._project = project
        self.filter = ItemFilter()
        if self.data.get("like"):
            sorts = {ALIKE: SORTS[ALIKE], **ORDERS}
            self.fields["sort"].widget = forms.Select(choices=[(name, order.title) for name, order in sorts.items()])
        if project.asks.proposes:
            for name in ("label", "answered", "against", "divided", "known"):
                self.fields[name].widget = forms.Select(choices=[("", "any"), ("yes", "yes"), ("no", "no")])

    def clean_sort(self) -> str:
        sort = self.cleaned_data["sort"]
        if sort and sort not in SORTS:
            raise ValidationError(f"Choose one of {', '.join(SORTS)}.")
        return str(sort)

    def clean(self) -> None:
        asked = {name: value for name, value in self.cleaned_data.items() if name in READERS}
        try:
            self.filter = read_filter(self._project, asked)
        except FilterError as error:
            for name, text in error.fields.items():
                self.add_error(name, text)


class _Names(forms.MultipleChoiceField):
    """Names of classes; whether there are such is for `read_value` to say."""

    def valid_value(self, value: Any) -> bool:
        return True


class CorrectionForm(forms.Form):
    """What the item is. `stored` holds it, as it is stored, once the form is valid."""

    note = forms.CharField(
        required=False,
        max_length=300,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Why, for whoever looks at it later.",
    )

    def __init__(self, *args: Any, project: Project, record: ItemRecord, classes: list[str], **kwargs: Any) -> None:
        """`classes`: all names in their order, or none if there are too many to choose from."""
        super().__init__(*args, **kwargs)
        self.auto_id = "correct-%s"
        self._project = project
        self.stored: Stored | None = None
        shown = project.asks.show(record.item.label, record.names)
        if project.asks.proposes:
            self._choose_one([("true", "Yes"), ("false", "No")], shown if shown is None else str(shown).lower())
        elif project.asks.several:
            self._choose_many(classes or self._near(record), shown or [], all_there=bool(classes))
        elif classes:
            self._choose_one([(name, name) for name in classes], shown)
        else:
            self.fields["value"] = forms.CharField(
                label="Class",
                initial=shown or "",
                error_messages={"required": NO_CHOICE},
                widget=forms.TextInput(attrs={"list": "classes", "autocomplete": "off", "spellcheck": "false"}),
            )
        self.order_fields(["value", "also", "note"])

    def _choose_one(self, choices: list[tuple[str, str]], initial: str | None) -> None:
        self.fields["value"] = forms.ChoiceField(
            label=self._project.asks.prompt_for_managers,
            choices=choices,
            widget=forms.RadioSelect,
            initial=initial,
            error_messages={"required": NO_CHOICE},
        )

    def _choose_many(self, names: list[str], initial: list[str], *, all_there: bool) -> None:
        self.fields["value"] = _Names(
            label=self._project.asks.prompt_for_managers,
            choices=[(name, name) for name in names],
            widget=forms.CheckboxSelectMultiple,
            initial=initial,
            required=False,
        )
        if not all_there:
            self.fields["also"] = forms.CharField(
                label="One more class",
                required=False,
                widget=forms.TextInput(attrs={"list": "classes", "autocomplete": "off", "spellcheck": "false"}),
            )

    def _near(self, record: ItemRecord) -> list[str]:
        """The classes that somebody, or this form, has named already."""
        sent = self.data.getlist("value") if hasattr(self.data, "getlist") else []
        return list(dict.fromkeys([*record.names.values(), *sent]))

    def clean(self) -> None:
        value: Any = self.cleaned_data.get("value")
        if "value" in self.errors or "also" in self.errors:
            return
        if self._project.asks.proposes:
            value = value == "true"
        if also := self.cleaned_data.get("also"):
            value = [*value, also]
        typed = also or (value if isinstance(value, str) else "")
        try:
            self.stored = read_value(self._project, value)
        except InvalidValue as error:
            self.add_error("also" if also else "value", unknown_class(self._project, typed) if typed else str(error))
