"""Helpers for forms: number inputs with bounds, and the upload of a file of items."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest
from django.utils.formats import get_format
from django.utils.translation import gettext, gettext_lazy

from labeling.intake import uploads
from labeling.labels.items.filter import Filter
from labeling.outside.outbound import validate_address
from labeling.web.shared.words import figure, number

DECIMAL_COMMA = re.compile(r"^\s*(\d+),(\d{1,2})\s*$")
ANY_COMMA = re.compile(r"^\s*(\d+),(\d+)\s*$")

# The error codes of values beyond a field's bounds.
BOUNDS = ("min_value", "max_value", "max_digits", "max_decimal_places", "max_whole_digits")


class FigureInput(forms.TextInput):
    """A text input for a number. Unlike a browser's number input, it keeps invalid text for the user to correct."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return the text; one comma before one or two decimals is a decimal comma, and so is any in German."""
        text = super().value_from_datadict(data, files, name)
        comma = ANY_COMMA if get_format("DECIMAL_SEPARATOR") == "," else DECIMAL_COMMA
        return comma.sub(r"\1.\2", text) if isinstance(text, str) else text


def figure_input(*, is_whole: bool, placeholder: str = "") -> forms.TextInput:
    attrs = {"class": "figure", "autocomplete": "off", "inputmode": "numeric" if is_whole else "decimal"}
    widget = forms.TextInput if is_whole else FigureInput
    return widget(attrs={**attrs, "placeholder": placeholder} if placeholder else attrs)


class AddressField(forms.CharField):
    """An address that the server is to send requests to."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            label=gettext_lazy("URL"),
            widget=forms.TextInput(attrs={"type": "url", "autocomplete": "off", "spellcheck": "false"}),
            validators=[validate_address],
            error_messages={"required": gettext_lazy("Enter a URL.")},
            **settings,
        )


class SecretField(forms.CharField):
    """A secret that no page shows. Empty text keeps the stored one."""

    def __init__(self, **settings: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        super().__init__(max_length=1000, required=False, widget=widget, **settings)


def translated(text: str) -> str:
    """Translate a text of a declaration, which may be empty. `scripts/declared.py` lists the texts."""
    return gettext(text) if text else ""


def translated_choices(choices: Iterable[Any]) -> list[tuple[Any, str]]:
    """Translate the texts of choices, (value, text)."""
    return [(value, translated(str(text))) for value, text in choices]


def filter_field(each: Filter, *, longest: int | None = None) -> forms.Field:
    """Make the form field of a filter. The field accepts any text, because the filter itself parses and checks it."""
    if each.choices:
        widget: forms.Widget = forms.Select(choices=translated_choices([("", each.unset), *each.choices]))
    else:
        plain = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        widget = forms.TextInput(attrs={**plain, **each.attrs})
        if "placeholder" in each.attrs:
            widget.attrs["placeholder"] = translated(each.attrs["placeholder"])
    return forms.CharField(label=translated(each.label), required=False, max_length=longest, widget=widget)


def apply_bounds(form: forms.BaseForm, model_fields: Any) -> None:
    """Apply the bounds of the model's fields to the form's number fields, with a message that names both."""
    for name, field in form.fields.items():
        if not isinstance(field, forms.FloatField | forms.IntegerField):
            continue
        validators = model_fields(name).validators
        low = max(v.limit_value for v in validators if isinstance(v, MinValueValidator))
        highest = [v.limit_value for v in validators if isinstance(v, MaxValueValidator)]
        if isinstance(field, forms.DecimalField):
            highest.append(10 ** ((field.max_digits or 0) - (field.decimal_places or 0)) - 1)
        high = min(highest)
        is_whole = not isinstance(field, forms.FloatField | forms.DecimalField)
        field.widget = figure_input(is_whole=is_whole)
        if field.min_value is None:  # the form alone checks this field
            field.validators += [MinValueValidator(low), MaxValueValidator(high)]
        is_money = isinstance(field, forms.DecimalField)
        message = bounds_message(low, high, is_whole=is_whole, is_money=is_money, required=field.required)
        field.error_messages |= dict.fromkeys(("required", "invalid", *BOUNDS), message)


def bounds_message(low: float, high: float, *, is_whole: bool, is_money: bool = False, required: bool = False) -> str:
    """Say which numbers a field accepts."""
    if is_money:
        text = gettext("Enter a number from %(low)s to %(high)s with at most two decimals, or nothing.")
    elif is_whole and required:
        text = gettext("Enter a whole number from %(low)s to %(high)s.")
    elif is_whole:
        text = gettext("Enter a whole number from %(low)s to %(high)s, or nothing.")
    elif required:
        text = gettext("Enter a number from %(low)s to %(high)s.")
    else:
        text = gettext("Enter a number from %(low)s to %(high)s, or nothing.")
    return text % {"low": figure(low), "high": figure(high)}


def number_in(text: str, default: int = 0) -> int:
    """Return the whole number in a query or form; `default` if the text is no number or has ten digits or more."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else default


class ErrorsInForm:
    """A context that adds an error of these kinds to the form, and leaves out the rest of the block.

    Texts by field go to these fields, as those of a `ValidationError` and of a `FilterError`. All others go to the
    field of the error's `option`, to `field`, or to the form as a whole.
    """

    def __init__(self, form: forms.BaseForm, *kinds: type[Exception], field: str | None = None) -> None:
        self._form, self._kinds, self._field = form, kinds, field

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, self._kinds):
            return False
        by_field = getattr(error, "fields", None) or {getattr(error, "option", self._field): str(error)}
        if isinstance(error, ValidationError):
            by_field = error.message_dict if hasattr(error, "error_dict") else {self._field: error}
        for name, texts in by_field.items():
            self._form.add_error(name if name in self._form.fields else self._field, texts)
        return True


class FileForm(forms.Form):
    """A file of items. The form is bound to a request that sends one."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        error_messages={
            "required": gettext_lazy("Choose a file."),
            "empty": gettext_lazy("This file is empty."),
            "missing": gettext_lazy("Choose a file."),
        },
    )

    def __init__(self, request: HttpRequest | None = None) -> None:
        sent = request is not None and request.method == "POST"
        super().__init__(*(request.POST, request.FILES) if request and sent else ())
        # Set by `labeling.web.gate.spool`, which kept no file.
        self._upload_problem = getattr(request, "upload_problem", "")

    def full_clean(self) -> None:
        super().full_clean()
        if self._upload_problem:
            self.errors.pop("file", None)
            self.add_error("file", self._upload_problem)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.MAX_UPLOAD_MB << 20:
            raise ValidationError(
                gettext("The file is larger than %(n)s MB. Split it.") % {"n": number(settings.MAX_UPLOAD_MB)}
            )
        return file

    @property
    def upload(self) -> dict[str, Any]:
        """The file of a valid form, as the functions named `receive` take it."""
        file = self.cleaned_data["file"]
        facts = {"name": file.name, "length": file.size, "spooled_at": uploads.spooled(file)}
        return {"chunks": file.chunks(), **facts}
