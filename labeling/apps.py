"""The one Django app."""

from django.apps import AppConfig
from django.urls import register_converter

from labeling.converters import Word


class LabelingConfig(AppConfig):
    name = "labeling"
    verbose_name = "Marginalia"

    def ready(self) -> None:
        register_converter(Word, "word")
