"""An entry of the audit log in words: one sentence, and what changed as fields. Pure functions."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from labeling.models import LogEntry, LogKind
from labeling.projects.settings import ON_PAGE
from labeling.web.shared.words import figure

LONGEST = 200
"""The most characters of a value that the page shows; the whole one is in the entry as it is stored."""
IN_SENTENCE = 60
NONE = "–"


@dataclass(frozen=True, slots=True)
class Change:
    """A field with its value before and after, in words."""

    name: str
    before: str
    after: str


def changes_of(entry: LogEntry) -> list[Change]:
    """Return the fields of the entry's values. Fields that are no settings have the name that is stored."""
    before, after = _fields(entry.before), _fields(entry.after)
    return [
        Change(_name(each), _words(before.get(each)), _words(after.get(each)))
        for each in dict.fromkeys([*before, *after])
    ]


def sentence(entry: LogEntry, changes: list[Change], *, who: str, whom: str) -> SafeString:
    """Say who did what. `who` and `whom` are names; `whom` may be empty."""
    if is_in_sentence(entry, changes):
        [change] = changes
        names = {"who": who, "setting": change.name, "before": change.before, "after": change.after}
        text = gettext("{who} changed {setting} from {before} to {after}.")
        return format_html(text, **{name: _isolated(value) for name, value in names.items()})
    meanings = {kind.value: gettext(kind.meaning) for kind in LogKind}
    about = " ".join(filter(None, [whom, "" if entry.kind == LogKind.SETTINGS_CHANGED else entry.subject]))
    text = gettext("{who} {did}: {about}.") if about else gettext("{who} {did}.")
    return format_html(text, who=_isolated(who), did=meanings.get(entry.kind, entry.kind), about=_isolated(about))


def is_in_sentence(entry: LogEntry, changes: list[Change]) -> bool:
    """Return whether the sentence says all of a change: of one setting, with short values."""
    if entry.kind != LogKind.SETTINGS_CHANGED or len(changes) != 1:
        return False
    return len(changes[0].before) <= IN_SENTENCE and len(changes[0].after) <= IN_SENTENCE


def _isolated(text: str) -> SafeString:
    return format_html("<bdi>{}</bdi>", text)


def _fields(text: str) -> dict[str, Any]:
    """Return the fields of a stored value; a value without fields is one without a name."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:  # a changed entry: its hash shows that
        value = text
    return value if isinstance(value, dict) else {"": value}


def _name(field: str) -> str:
    return gettext(ON_PAGE[field].label) if field in ON_PAGE else field.replace("_", " ")


def _words(value: Any) -> str:
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, int | float):
        return figure(value)
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        text = ", ".join(map(str, value)) or NONE
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
