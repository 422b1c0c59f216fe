"""Test that docs/how-to/webhooks.md lists the events, and that the addresses in their messages exist."""

from pathlib import Path

from django.urls import resolve

from labeling.models import EventType
from scripts.reference import written

TEXT = (Path(__file__).parents[2] / "docs/how-to/webhooks.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_declarations() -> None:
    assert written(TEXT) == TEXT, "run scripts/reference.py"


def test_the_addresses_exist() -> None:
    for event_type in set(EventType):
        resolve(event_type.address.format(project="owls", number=3))
