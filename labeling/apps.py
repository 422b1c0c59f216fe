"""The one Django app."""

from django.apps import AppConfig
from django.urls import register_converter
from django.urls.converters import StringConverter


class Word(StringConverter):
    """A part of an address: a text without a slash, and without the NUL that PostgreSQL has no way to look for."""

    regex = "[^/\x00]+"


class LabelingConfig(AppConfig):
    name = "labeling"
    verbose_name = "Marginalia"

    def ready(self) -> None:
        register_converter(Word, "word")
