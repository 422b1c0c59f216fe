"""The one Django app."""

from importlib import import_module

from django.apps import AppConfig
from django.urls import register_converter
from django.urls.converters import StringConverter


class Word(StringConverter):
    """A part of a URL path without a slash, and without NUL, which PostgreSQL does not accept in a query."""

    regex = "[^/\x00]+"


class LabelingConfig(AppConfig):
    name = "labeling"
    verbose_name = "Marginalia"

    def ready(self) -> None:
        register_converter(Word, "word")
        import_module("labeling.web.gate.requests")  # connects its receivers
