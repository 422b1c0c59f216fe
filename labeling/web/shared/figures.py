"""Template tags and filters of all templates: `{{ batch.size|number }}` formats a number, `{{ at|ago }}` a time,
`{% manage %} worker` writes a command, `{% columns %}` the head of a table, `{% button %}` a button that posts,
`{% script_texts %}` what scripts say.
"""

import datetime
import re
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

from django import template
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import format_html, format_html_join, json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JavaScriptCatalog

from labeling.projects.quota import shown
from labeling.web.shared.words import count, distance, duration, exact_time, interval, number, percent

SHORT = 110  # characters of an explanation that is shown whole
SENTENCE_END = re.compile(r"(?<=[.!?؟])\s+(?=\S)")

register = template.Library()
register.filter("number", number)
register.filter("bytes", shown)
register.filter("percent", percent)
register.filter("exact_percent", partial(percent, exact=True))
register.filter("to", interval)


@register.filter
def ago(at: datetime.datetime | None) -> SafeString | str:
    """Render a time as its distance from now, and the exact time as its title: `{{ at|ago }}`. Without a time, –."""
    if not at:
        return "–"
    shown = distance(at, timezone.now())
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact_time(at), shown)


register.filter("duration", duration)
register.filter("exact", exact_time)


@register.filter
def counted(n: int, nouns: str) -> str:
    """Format a number with its noun: `{{ n|counted:"item" }}`, `{{ n|counted:"class|classes" }}`."""
    return count(n, *nouns.split("|"))


@register.filter
def names(texts: Iterable[str]) -> SafeString:
    """Render names that the team gave as a list: "owl, little owl"."""
    return format_html_join(gettext(", "), "<bdi>{}</bdi>", ((each,) for each in texts))


@register.filter
def folded(text: str) -> tuple[str, str]:
    """Split a long explanation into its first sentence, which is shown, and the rest, which is folded away."""
    text = str(text)  # it may be translated lazily
    first, *rest = [text] if len(text) <= SHORT or "<" in text else SENTENCE_END.split(text, maxsplit=1)
    return first, "".join(rest)


@register.simple_tag
def manage() -> str:
    """Return the command that runs this installation's management commands."""
    return str(settings.COMMAND)


class Readable(DjangoJSONEncoder):
    """Writes letters of all alphabets as they are: escaped, Arabic takes three times as many bytes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "ensure_ascii": False})


def texts_of_scripts() -> dict[str, Any]:
    """Return the present language, and the translations of the scripts' texts: {text: translation}.

    A text with plural forms has a list of them, in gettext's order. English has no translations.
    """
    language = translation.get_language() or settings.LANGUAGE_CODE
    return {"language": language, "texts": _texts(language)}


@cache
def _texts(language: str) -> dict[str, str | list[str]]:
    if language == settings.LANGUAGE_CODE:
        return {}
    view = JavaScriptCatalog()
    view.translation = DjangoTranslation(language, domain="djangojs", localedirs=[*map(str, settings.LOCALE_PATHS)])
    return dict(view.get_catalog())


@register.simple_tag
def script_texts() -> SafeString:
    """Render the translations for `static/js/words.js`. A page whose scripts say something needs it."""
    return json_script(texts_of_scripts(), "texts", encoder=Readable)


@register.simple_block_tag(takes_context=True)
def button(context: template.Context, content: str, address: str, *args: Any, look: str = "") -> SafeString:
    """Render a form of one button: `{% button 'session-end' each.pk look="quiet" %}Sign out{% endbutton %}`.

    It posts to the address with this name. `look` are more classes of the button.
    """
    return format_html(
        '<form method="post" action="{}"><input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<button class="{}" type="submit">{}</button></form>',
        reverse(address, args=args),
        context["csrf_token"],
        f"button {look}".strip(),
        content,
    )


@register.simple_block_tag
def columns(content: str) -> SafeString:
    """Render the header row of a table: `{% columns %}File | Rows# | (Remove){% endcolumns %}`.

    `#` ends the title of a column of numbers. A title in brackets is for screen readers alone.
    """
    return mark_safe(f"<tr>{''.join(_title(each) for each in content.split(' | '))}</tr>")  # noqa: S308  escaped there


def _title(text: str) -> str:
    text = text.strip()
    if text.startswith("("):
        text = f'<span class="unseen">{text[1:-1]}</span>'
    return f'<th scope="col" class="number">{text[:-1]}</th>' if text.endswith("#") else f'<th scope="col">{text}</th>'


@register.filter
def of(values: Mapping[str, str], name: str) -> str:
    """Return the value of a mapping for the name; empty without one."""
    return values.get(name, "")
