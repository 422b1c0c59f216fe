"""One class of many."""

from __future__ import annotations

from django.utils.translation import gettext_noop

from labeling.questions.base import GridBy, Question


class Single(Question):
    name = "single"
    title = "one class of many"
    offer = "One class of many. “What is this?”"
    prompt = gettext_noop("Which class is this?")
    grid_by = GridBy.SHOWN
