"""The forms of a source. Their fields follow from the kind of place, which its class declares."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from labeling.intake.readers.layout import LABELS_AS, Layout
from labeling.kinds import Kind
from labeling.models import Source
from labeling.outside.sources import MAX_ADDRESS, PLACES, Option, Remote
from labeling.web.shared.forms import translated, translated_choices

PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
FOLDERS = {
    "ignore": gettext_lazy("nothing: people label all items"),
    "trusted": gettext_lazy("classes: the model trains on them at once"),
    "suggestions": gettext_lazy("classes: annotators see them as suggestions"),
    "truth": gettext_lazy("classes, hidden from everyone who labels"),
}
assert FOLDERS.keys() <= LABELS_AS.keys()


def place_named(scheme: str) -> type[Remote]:
    """Return the kind of place with this scheme; the first one for an unknown scheme."""
    return next((each for each in PLACES if scheme in each.schemes), PLACES[0])


class SecretArea(forms.Textarea):
    """A text area that shows nothing of what was typed, as a password field does."""

    def format_value(self, value: Any) -> None:
        return None


class OptionsForm(forms.Form):
    """The options and credentials of a place. Credentials are never shown again."""

    def __init__(self, place: type[Remote], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for option in place.options:
            self.fields[option.name] = _field(option)

    @property
    def options(self) -> dict[str, str]:
        """The texts that were entered, by the names of the options."""
        return {name: text for name, text in self.cleaned_data.items() if name not in self.base_fields}


def _field(option: Option) -> forms.CharField:
    widget: forms.Widget = forms.TextInput(attrs=PLAIN)
    if option.long:
        widget = SecretArea(attrs={**PLAIN, "rows": 4})
    elif option.secret:
        widget = forms.PasswordInput(attrs={**PLAIN, "autocomplete": "new-password"})
    return forms.CharField(
        label=translated(option.label),
        help_text=translated(option.help),
        required=False,
        max_length=10_000,
        widget=widget,
    )


class Schedules(forms.Form):
    """When a source is looked at."""

    schedule = forms.ChoiceField(
        label=gettext_lazy("Check for new files"),
        choices=lambda: translated_choices(Source.Every.choices),
        initial=Source.Every.DAY,
        help_text=gettext_lazy(
            "A quick check lists only files that sort after the last one, so it costs little even with many files."
        ),
    )
    full_schedule = forms.ChoiceField(
        label=gettext_lazy("Check all files"),
        choices=lambda: translated_choices(Source.Every.choices),
        initial=Source.Every.WEEK,
        help_text=gettext_lazy(
            "A full check also finds files whose names sort before the last one, and files with rows "
            "that have changed. It lists every file: ten million of them take ten thousand requests."
        ),
    )


class SourceForm(OptionsForm, Schedules):
    """A new source."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Shown to the members of this project."),
        widget=forms.TextInput(attrs=PLAIN),
    )
    address = forms.CharField(label=gettext_lazy("URL"), max_length=MAX_ADDRESS, widget=forms.TextInput(attrs=PLAIN))
    content = forms.ChoiceField(
        label=gettext_lazy("What is there?"),
        choices=lambda: translated_choices(Source.Content.choices),
        widget=forms.RadioSelect,
    )
    by_reference = forms.BooleanField(
        label=gettext_lazy("The files stay there"),
        required=False,
        help_text=gettext_lazy(
            "This includes files that rows name. They are not copied: the server fetches each file when it is "
            "needed. An item whose file changes or disappears there can no longer be shown."
        ),
    )
    folders = forms.ChoiceField(
        label=gettext_lazy("The names of its folders are"),
        choices=list(FOLDERS.items()),
        help_text=gettext_lazy(
            "For files that are an item each. Folders that are not named after a class are ignored."
        ),
    )

    def __init__(self, place: type[Remote], kind: Kind, *args: Any, **more: Any) -> None:
        super().__init__(place, *args, **more)
        self.fields["address"].help_text = gettext("Such as %(example)s") % {"example": place.example}
        contents = [Source.Content.FILE, *([Source.Content.FILES] if place.can_list else [])]
        if kind.is_file and place.can_list:
            contents.insert(0, Source.Content.MEDIA)
        self.fields["content"].choices = translated_choices((each.value, each.label) for each in contents)  # type: ignore[attr-defined]
        self.fields["content"].initial = contents[0]
        if Source.Content.MEDIA not in contents:
            del self.fields["folders"]
        if not kind.is_file:
            del self.fields["by_reference"]
        if not place.can_list:
            del self.fields["full_schedule"]
        self.order_fields(
            ["name", "address", *(each.name for each in place.options), "content", "by_reference", "folders"]
        )

    def values(self) -> dict[str, Any]:
        """Return the values of `changing.add`, without options."""
        data = self.cleaned_data
        is_media = data["content"] == Source.Content.MEDIA
        return {
            "name": data["name"],
            "address": data["address"],
            "content": data["content"],
            "layout": Layout(labels_as=data["folders"]) if is_media else None,
            "by_reference": data.get("by_reference", False),
            "schedule": data["schedule"],
            "full_schedule": data.get("full_schedule", Source.Every.OFF),
        }


class ChangeForm(Schedules):
    """The name and the schedules of a source."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, widget=forms.TextInput(attrs=PLAIN))
    field_order = ("name",)

    def __init__(self, source: Source, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if source.content == Source.Content.FILE:
            del self.fields["full_schedule"]
