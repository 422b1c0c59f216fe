"""The reasons why the open batch waits, one sentence each. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from labeling.insight.waits import Waits
from labeling.models import Batch, Project
from labeling.web.shared.words import count, number

# The most people by name; more are counted.
NAMED = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, and the page to act on it; without a page if the reader cannot act."""

    text: str
    action: str
    url: str


def lines(project: Project, batch: Batch, waits: Waits, *, can_end: bool) -> list[Line]:
    """Return a line for each reason why the batch waits. `can_end`: the reader may end the batch."""
    members = ("Members", reverse("project-members", args=[project.slug]))
    parts = ("Assignments", reverse("project-batch", args=[project.slug, batch.number]))
    skipped = f"{reverse('project-items', args=[project.slug])}?state=skipped&batch={batch.number}"
    lines = []
    if waits.able < waits.asked:
        lines.append(Line(_too_few(waits), *members))
    if waits.paused:
        lines.append(Line(f"{_names(waits.paused)} paused, and gets no items until a manager decides.", *members))
    if waits.at_limit:
        text = f"{_names(waits.at_limit)} at the daily limit, until midnight UTC."
        lines.append(Line(text, *members))
    if waits.assigned_to_nobody:
        text = f"{_items(waits.assigned_to_nobody)} assigned to people who cannot get items now."
        lines.append(Line(text, *parts))
    elif waits.assigned:
        text = f"{_items(waits.assigned)} left, all assigned. Other people get no items."
        lines.append(Line(text, *parts))
    if waits.gold:
        text = "Only gold items lack answers" if waits.gold > 1 else "Only a gold item lacks answers"
        lines.append(
            Line(f"{text}. You can end the batch without them.", *(_end(project, batch) if can_end else ("", "")))
        )
    if waits.replacing:
        text = f"{_items(waits.replacing)} in the batch in place of skipped items, and still lacks answers."
        lines.append(Line(text, "Skipped items", skipped))
    return lines


def _end(project: Project, batch: Batch) -> tuple[str, str]:
    return "End batch", reverse("project-batch-end", args=[project.slug, batch.number])


def _too_few(waits: Waits) -> str:
    if not waits.able:
        return "No person can get items now."
    able = count(waits.able, "person can", "people can")
    return f"Each item is asked of {number(waits.asked)} people, and {able} get items now."


def _names(people: Sequence[str]) -> str:
    """Return the names with the verb: "ann is", "ann and bob are", "5 people are"."""
    if len(people) > NAMED:
        return f"{number(len(people))} people are"
    *first, last = sorted(people)
    return f"{', '.join(first)} and {last} are" if first else f"{last} is"


def _items(n: int) -> str:
    return count(n, "item is", "items are")
