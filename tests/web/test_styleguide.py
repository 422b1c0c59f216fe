"""Test the page of all parts of pages: for maintainers, in development only."""

from http import HTTPStatus

from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.utils.translation import gettext_lazy

from labeling.web.server import styleguide
from labeling.web.shared.figures import folded


def test_the_style_guide_is_not_served_without_debug() -> None:
    assert Client().get("/styleguide/").status_code == HTTPStatus.NOT_FOUND


def test_the_style_guide_shows_each_part() -> None:
    request = RequestFactory().get("/styleguide/")
    request.user = AnonymousUser()
    page = styleguide(request).content.decode()
    for part in (
        "button primary",
        "field has-error",
        "field check",
        "card",
        "empty",
        "facts",
        "scroll as-cards",
        "notice error",
    ):
        assert f'class="{part}' in page, part
    assert "--measure" in page


def test_long_explanations_are_folded_after_their_first_sentence() -> None:
    long = gettext_lazy("What it leads to. %s") % ("And more of it, too. " * 6)
    assert folded(long)[0] == "What it leads to."
    assert folded(gettext_lazy("Short. Both are shown.")) == ("Short. Both are shown.", "")
