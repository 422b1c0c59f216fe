"""The parts that pages are made of, on one page for maintainers. It exists with `DEBUG` only (`config/urls.py`)."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.web.shared.forms import figure_input

SIZES = ("s", "m", "l", "xl")
SPACES = range(1, 7)
COLOURS = (
    "page", "surface", "sunken", "line", "control", "ink", "muted", "accent", "accent-soft", "warn", "warn-soft",
    "danger", "danger-soft",
)  # fmt: skip


class Rows(forms.Form):
    """One form row of each kind."""

    name = forms.CharField(label="A text", help_text="What it leads to, in one sentence. A second one is folded away.")
    number = forms.IntegerField(label="A figure", required=False, widget=figure_input(is_whole=True))
    kind = forms.ChoiceField(label="One of few", choices=[("a", "The first"), ("b", "The second")])
    one = forms.ChoiceField(
        label="One of few, each with words", widget=forms.RadioSelect, choices=[("a", "This one"), ("b", "That one")]
    )
    check = forms.BooleanField(label="Yes or no", required=False, help_text="What happens with yes.")


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show each part in each of its states."""
    wrong = Rows({"number": "many", "kind": "a", "one": "b"}, prefix="wrong")
    context = {"sizes": SIZES, "spaces": SPACES, "colours": COLOURS, "form": Rows(), "wrong": wrong}
    return render(request, "styleguide.html", context)
