"""Every word of a translated page is looked up in the catalogues: in a made-up language, all of them stand in brackets.

What the team wrote, which is in the database, and code stay as they are.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.db.models import CharField, JSONField, TextField
from django.test import Client
from django.urls import reverse
from django.utils.translation import trans_real
from test_accessibility import STATES, State, make_others
from world import fill_world

from labeling.models import User
from labeling.web.gate.languages import is_translated
from models_store.encoders import ENCODERS
from models_store.estimators import OURS

PLACE = re.compile(r"(%\(\w+\)s|%s|{\w+(?::,)?})")
LENGTH = re.compile(r'<(?:rect|line|circle)[^>]* (?:[xyr]|[xy][12]|c[xy]|width|height)="\d*,\d')
SHOWN = {"alt", "aria-label", "aria-description", "data-title", "placeholder", "title"}
VOID = {"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
SILENT = {"script", "style", "code", "pre", "kbd"}
WORD = re.compile(r"[^\W\d_]{2,}")
NAMES = re.compile(
    r"\b[0-9a-f]{64}\b|\b(Marginalia|SQLite|PostgreSQL|Django|Python|UTC|[KMGT]i?B|API|SHA-256|POST|CSV|JSONL?|ZIP|PNG|Arrow|Parquet|Deutsch|English|العربية)\b"
    r"|(?<!\w)\.\w+|\w+://\S+|\b[a-z_]+\.[a-z_]+(?=:)"
)
"""Hashes, names, units, suffixes, addresses, and the kinds of the audit log's entries, the same in each language."""


class Bracketed:
    """A language whose texts are those of the code in brackets; values that are put into them stand outside."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def gettext(self, text: str) -> str:
        text = text.rpartition("\x04")[2]  # without its context
        return " | ".join(map(self._column, text.split(" | "))) if text else text

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self.gettext(one if n == 1 else many)

    def _column(self, text: str) -> str:
        """Bracket a text; the marks of `{% columns %}` stay at its ends."""
        if re.fullmatch(r"\([^()]+\)", text):
            return f"({self._column(text[1:-1])})"
        if text.endswith("#"):
            return f"{self._column(text[:-1])}#"
        return "".join(each if PLACE.fullmatch(each) else f"⟦{each}⟧" if each else "" for each in PLACE.split(text))


class Words(HTMLParser):
    """The texts of a page: of elements and of attributes that are read or spoken."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = [""]
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        is_button = tag == "input" and values.get("type") in ("submit", "button")
        self.texts[1:] += [values[name] or "" for name in values if name in SHOWN or (is_button and name == "value")]
        if tag not in VOID:
            self._open.append(
                (tag, tag in SILENT or values.get("dir") == "auto" or ("lang" in values and tag != "html"))
            )

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.texts[0] += "\0" if any(silent for _, silent in self._open) else data


def outside(text: str) -> Iterator[str]:
    """Yield the parts of a text that stand in no brackets."""
    depth, part = 0, ""
    for each in text:
        if each in "⟦⟧\0":
            yield part
            part, depth = "", depth + {"⟦": 1, "⟧": -1, "\0": 0}[each]
        elif depth == 0:
            part += each
    yield part


def stored_texts() -> set[str]:
    """Return all texts in the database but for the values of fixed lists, and the names of encoders and models."""
    texts: set[str] = set()

    def add(value: Any) -> None:
        if isinstance(value, str):
            texts.update(map(str.strip, value.splitlines()))
        elif isinstance(value, dict):
            add([*value.keys(), *value.values()])
        elif isinstance(value, list):
            for each in value:
                add(each)

    for model in apps.get_models():
        fields = [
            each.name
            for each in model._meta.concrete_fields
            if isinstance(each, CharField | TextField | JSONField) and not each.choices
        ]
        for row in model._default_manager.values_list(*fields) if fields else ():
            add([*row])
    offers = (*ENCODERS, *OURS)
    options = [option for each in offers for option in each.options.values()]
    add([*(each.name for each in offers), *(each.default for each in options)])
    add([name for each in options for name in each.packages])
    return {each for each in texts if re.search(r"\w\w", each)}


def untranslated(page: str, stored: re.Pattern[str]) -> set[str]:
    """Return the words of a page that stand in no brackets."""
    words = Words()
    words.feed(page)
    parts = (" ".join(part.split()) for text in words.texts for part in outside(text))
    # A name may be a part of a stored text, or the other way round.
    ways = ((stored, NAMES), (NAMES, stored))
    return {part for part in parts if all(WORD.search(then.sub("", first.sub("", part))) for first, then in ways)}


@pytest.mark.django_db
def test_every_word_is_translated(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.MAIL, settings.OIDC_ISSUER, settings.OIDC_NAME = True, "https://id.example.org", "Marginalia"
    fill_world()
    make_others()
    monkeypatch.setitem(trans_real._translations, "de", Bracketed(trans_real.translation("de")))
    states = [state for state in STATES if is_translated(state.name)]
    ids = [{name: value() if callable(value) else value for name, value in state.ids.items()} for state in states]
    stored = re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in sorted(stored_texts(), key=len)[::-1]))
    faults: dict[str, set[str]] = {}
    for state, keys in zip(states, ids, strict=True):
        page = _page(state, reverse(state.name, kwargs=keys))
        assert not LENGTH.search(page), f"{state.name}: a number of a drawing in German, which no browser reads"
        for word in untranslated(page, stored):
            faults.setdefault(word, set()).add(f"{state.name} ({state.state})")
    assert faults == {}


def _page(state: State, path: str) -> str:
    client = Client(headers={"Accept-Language": "de"})
    if state.user:
        client.force_login(User.objects.get(username=state.user))
    page = client.post(path) if state.state == "error" else client.get(path)
    return page.text if page.headers.get("Content-Type", "").startswith("text/html") else ""


def test_a_word_outside_the_catalogues_is_seen() -> None:
    page = '<p title="⟦Zoom⟧ in">⟦You are⟧ mona <code>pip</code> ⟦a ⟦b⟧ c⟧ signed in</p><b dir="auto">cat</b>'
    assert untranslated(page, re.compile("mona")) == {"in", "signed in"}
