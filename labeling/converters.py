"""Parts of addresses."""

from __future__ import annotations

from django.urls.converters import StringConverter


class Word(StringConverter):
    """A text without a slash, and without the NUL that PostgreSQL has no way to look for."""

    regex = "[^/\x00]+"
