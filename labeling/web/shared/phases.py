"""The phases of background steps, in the language of the page."""

from __future__ import annotations

from django.utils.text import capfirst
from django.utils.translation import gettext


def phase_in_words(phase: str) -> str:
    """Translate a phase as a step reports it, such as "training the model" or "importing cats.zip".

    The phase's object, such as the name of a file, follows the translation. `scripts/messages.py` extracts the phases.
    """
    words = phase.split(" ")
    for end in range(len(words), 0, -1):
        known = " ".join(words[:end])
        if (translated := gettext(known)) != known:
            return " ".join([translated, *words[end:]])
    return phase


def phase_as_title(phase: str) -> str:
    """Translate a phase, with a capital letter."""
    return str(capfirst(phase_in_words(phase)))
