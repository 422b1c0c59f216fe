"""The forms of the classes page."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from labeling.models import LabelClass, Project
from labeling.models.classes import MAX_DESCRIPTION, MAX_PROPOSAL
from labeling.projects.classes.changing import MOST_PARTS
from labeling.questions.base import MAX_NAME

# The most classes in a drop-down list; with more classes, managers type the name.
MOST_CHOICES = 300


class AddForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_NAME,
        error_messages={"required": gettext_lazy("Enter a name for the class.")},
        required=True,
    )


class ClassField(forms.CharField):
    """The name of one of the project's classes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_NAME, **options)

    def of(self, project: Project, label_class: LabelClass) -> None:
        """Offer the names of the other classes, if there are few."""
        self._classes = project.classes.offered().exclude(pk=label_class.pk)
        names = list(self._classes.values_list("name", flat=True)[: MOST_CHOICES + 1])
        if len(names) <= MOST_CHOICES:
            self.widget = forms.Select(choices=[("", "–"), *((name, name) for name in names)])

    def clean(self, value: Any) -> LabelClass | None:
        name = super().clean(value)
        if not name:
            return None
        each = self._classes.filter(name=name).first()
        if each is None:
            raise forms.ValidationError(gettext("There is no other class “%(name)s”.") % {"name": name[:60]})
        return each


class ClassForm(forms.Form):
    """The editable fields of a class."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_NAME,
        error_messages={"required": gettext_lazy("Enter a name for the class.")},
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        max_length=MAX_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("When does it apply? Annotators see it at the class."),
    )
    aliases = forms.CharField(
        label=gettext_lazy("Aliases"),
        required=False,
        help_text=gettext_lazy("Other words that find it in the search, separated by commas."),
        max_length=4000,
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        required=False,
        max_length=1,
        help_text=gettext_lazy("The digit key that chooses it. If empty, it has no key."),
    )
    colour = forms.CharField(
        label=gettext_lazy("Colour"),
        required=False,
        max_length=7,
        help_text=gettext_lazy("The colour of the class's mark, such as #3366cc. Leave empty for none."),
        widget=forms.TextInput(attrs={"class": "figure", "spellcheck": "false", "autocomplete": "off"}),
    )
    place = forms.IntegerField(
        label=gettext_lazy("Place"),
        required=False,
        min_value=1,
        help_text=gettext_lazy("Its position in the list of classes."),
    )
    parent = ClassField(
        required=False,
        label=gettext_lazy("Kind of"),
        help_text=gettext_lazy("The class above it, if classes form a tree."),
    )

    def __init__(self, *args: Any, project: Project, label_class: LabelClass, **kwargs: Any) -> None:
        self._class = label_class
        offered = list(project.classes.offered().values_list("index", flat=True))
        self._place = offered.index(label_class.index) + 1 if label_class.index in offered else None
        initial = {
            "name": label_class.name,
            "description": label_class.description,
            "aliases": ", ".join(label_class.aliases),
            "key": label_class.key,
            "colour": label_class.colour,
            "place": self._place,
            "parent": label_class.parent.name if label_class.parent else "",
        }
        super().__init__(*args, **{"initial": initial, **kwargs})
        self.fields["parent"].of(project, label_class)  # type: ignore[attr-defined]
        if project.asks.fixed_scale:
            del self.fields["name"], self.fields["place"]
        elif self._place is None:
            del self.fields["place"]

    def clean_place(self) -> int | None:
        """Return the new place; None if it did not change."""
        place: int | None = self.cleaned_data["place"]
        return place if place != self._place else None

    def fields_of_class(self) -> dict[str, Any]:
        """Return the arguments for `projects.classes.edit`."""
        values = {name: self.cleaned_data[name] for name in self.fields if name != "place"}
        values["aliases"] = [each.strip() for each in self.cleaned_data["aliases"].split(",") if each.strip()]
        return values


class SplitForm(forms.Form):
    """The classes to split a class into."""

    into = forms.CharField(
        label=gettext_lazy("Split it into"),
        max_length=MOST_PARTS * (MAX_NAME + 2),
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("One class per line. Classes that do not exist yet are added."),
        error_messages={"required": gettext_lazy("Name the classes to split it into, one on each line.")},
    )

    def clean_into(self) -> list[str]:
        """Return the names without duplicates."""
        return list(dict.fromkeys(line.strip() for line in self.cleaned_data["into"].splitlines() if line.strip()))


class ProposalForm(forms.Form):
    """The class for a proposal: the existing class `into`, or a new class with this name."""

    key = forms.CharField(max_length=3 * MAX_PROPOSAL, widget=forms.HiddenInput)
    name = forms.CharField(label=gettext_lazy("New class"), max_length=MAX_NAME, required=False)
    into = forms.CharField(label=gettext_lazy("or the class"), max_length=MAX_NAME, required=False)

    def __init__(self, *args: Any, names: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if 0 < len(names) <= MOST_CHOICES:
            self.fields["into"].widget = forms.Select(choices=[("", "–"), *((name, name) for name in names)])


class MergeForm(forms.Form):
    """The class to merge a class into."""

    into = ClassField(label=gettext_lazy("Merge it into"))

    def __init__(self, *args: Any, project: Project, label_class: LabelClass, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["into"].of(project, label_class)  # type: ignore[attr-defined]
