"""Which pages are not translated, and the texts of scripts. docs/decisions/0129-languages.md says why."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JavaScriptCatalog

IN_ENGLISH = frozenset(
    {
        *("label-classes", "label-today", "label-worker", "project-item-classes"),
        *("admin-password", "admin-sign-in", "api-docs", "healthz", "metrics", "readyz", "schema"),
    }
)
"""The names of the addresses that answer in English: those for scripts and operators."""


def is_translated(name: str) -> bool:
    """Return whether the page at the address with this name is translated: all but those of `IN_ENGLISH`, the API and
    the admin.
    """
    return name not in IN_ENGLISH and ":" not in name


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
