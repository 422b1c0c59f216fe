"""Test that the pages which are said to be translated are, in every language."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import messages  # noqa: E402
import strings  # noqa: E402

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
IN_ENGLISH = ("api/", "styleguide.html")
"""The templates, or folders of templates, in English."""
SCRIPTS_IN_ENGLISH = ("api/", "words.js")
"""The scripts of pages in English, and the one that translates."""

MARKED = re.compile(
    r"{%\s*blocktranslate.*?endblocktranslate\s*%}|{% comment %}.*?{% endcomment %}|(?<= )name=\"\w+\" value=\"\w+\"",
    re.DOTALL,
)
NOT_WORDS = re.compile(
    r"\b(Marginalia|narrow|(?:form|item|items|review)-page|light dark|createsuperuser)\b"
    r"|\b(Shift|Enter|Esc|PgUp|PgDn|Home|End)\b"
    r"|width=device-width.*|curl .*|sha256sum .*|import os.*"
)
"""The name of the product, keys, classes of style, and code."""
CALL = re.compile(
    r"\bn?gettext\(\s*\"(?:[^\"\\]|\\.)*\"(?:,\s*\"(?:[^\"\\]|\\.)*\")?|\bcount\([\w.]+, \"[^\"]*\"", re.DOTALL
)
QUIET_SCRIPTS = {
    # what is sent, selectors, and classes of style
    "None of these: …",
    '[data-state="failed"], .note',
    '#answers [data-value="true"]',
    '#answers [data-value="false"]',
    ".viewer-tools input",
    "(prefers-reduced-motion: reduce)",
    "translate(…px, …px) scale(…)",
    *(
        "notice error", "said skipped", "player-buttons speeds", "bars played", "button choice", "button quiet",
        "muted small",
    ),
    "option node",
    *(".filters .field", "input, select", "#content .notice, #content .errorlist", "notice warn small"),
}  # fmt: skip
SELECTOR = re.compile(r"[.#(]\S|[a-z]+[\[,:]")
"""How a selector or a media query begins; a sentence does not."""
PLACES = re.compile(r"%\(\w+\)s|{\w+(?::,)?}|<[^>]+>| \| ")


def is_among(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or (place.endswith("/") and name.startswith(place)) for place in places)


def unmarked_in_templates() -> Iterator[str]:
    for path in sorted((ROOT / "templates").rglob("*.html")):
        name = str(path.relative_to(ROOT / "templates"))
        if not is_among(name, IN_ENGLISH):
            for line, text in strings.of_template(MARKED.sub("", path.read_text(encoding="utf-8"))):
                words = " ".join(text.split()).replace("…", "")
                if re.search(r"[^\W\d_]{2,}", NOT_WORDS.sub("", words)):
                    yield f"{name}:{line}: {words}"


def unmarked_in_scripts() -> Iterator[str]:
    for path in sorted((ROOT / "static/js").rglob("*.js")):
        name = str(path.relative_to(ROOT / "static/js"))
        if not is_among(name, SCRIPTS_IN_ENGLISH):
            source = CALL.sub(lambda call: "gettext(" + "\n" * call[0].count("\n"), path.read_text(encoding="utf-8"))
            for line, text in strings.of_script(source):
                words = " ".join(text.split())
                if not strings.is_read(words, path) or words in QUIET_SCRIPTS or SELECTOR.match(words):
                    continue
                if "gettext(" not in words:
                    yield f"{name}:{line}: {words}"


def test_every_text_of_a_translated_page_is_marked() -> None:
    assert [*unmarked_in_templates(), *unmarked_in_scripts()] == []


def test_a_text_that_is_not_marked_would_be_seen() -> None:
    assert [*strings.of_template(MARKED.sub("", "<p>{% translate 'a' %} Sign in</p>"))] == [(1, " Sign in")]
    assert NOT_WORDS.sub("", "Sign in")


@pytest.fixture(scope="module")
def domains() -> dict[str, messages.Catalog]:
    return messages.domains()


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_are_complete(language: str, domains: dict[str, messages.Catalog]) -> None:
    """Each text has a translation in each plural form, with the same values and tags; run `scripts/messages.py`."""
    faults = []
    for domain, template in domains.items():
        path = messages.LOCALE / language / "LC_MESSAGES" / f"{domain}.po"
        catalog = messages.read(path, language)
        with path.with_suffix(".mo").open("rb") as file:
            compiled = {key_of(message): forms_of(message) for message in read_mo(file)}
        if {key_of(message) for message in template} != {key_of(message) for message in catalog}:
            faults.append(f"{path}: has other texts than the code")
        for message in catalog:
            if not message.id:
                continue
            if not messages.is_complete(message) or message.fuzzy:
                faults.append(f"{path}: not translated: {message.id}")
            elif not has_same_places(message):
                faults.append(f"{path}: other values or tags: {message.id}")
            if compiled.get(key_of(message)) != forms_of(message):
                faults.append(f"{path}: not compiled: {message.id}")
    assert faults == []


def key_of(message: messages.Message) -> str:
    text = message.id if isinstance(message.id, str) else "\n".join(message.id)
    return f"{message.context}: {text}" if message.context else text


def forms_of(message: messages.Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else [*message.string]


def has_same_places(message: messages.Message) -> bool:
    """Return whether each form of the translation has the places of the text; forms for one number may leave it out."""
    if isinstance(message.id, str):
        return sorted(PLACES.findall(message.id)) == sorted(PLACES.findall(str(message.string)))
    expected = set(PLACES.findall(message.id[1]))
    number = {"{n}", "%(n)s", "%(shown)s"}
    return all(
        set(PLACES.findall(form)) <= expected and expected - set(PLACES.findall(form)) <= number
        for form in message.string
    )


def test_every_marked_call_of_a_script_is_extracted(domains: dict[str, messages.Catalog]) -> None:
    """Babel does not see a call inside the arguments of another."""
    texts = [each.id[0] if isinstance(each.id, tuple) else each.id for each in domains["djangojs"]]
    first = re.compile(r"\bn?gettext\(\s*\"((?:[^\"\\]|\\.)*)\"")
    missing = [
        text
        for path in (ROOT / "static/js").rglob("*.js")
        for text in first.findall(path.read_text(encoding="utf-8"))
        if text not in texts
    ]
    assert missing == []
