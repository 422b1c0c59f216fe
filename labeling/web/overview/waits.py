"""The reasons why the open batch waits, one sentence each. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.text import get_text_list
from django.utils.translation import gettext, ngettext

from labeling.insight.waits import Waits
from labeling.models import Batch, Project
from labeling.projects.people.invisible import isolated
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
    members = (gettext("Members"), reverse("project-members", args=[project.slug]))
    parts = (gettext("Assignments"), reverse("project-batch", args=[project.slug, batch.number]))
    skipped = f"{reverse('project-items', args=[project.slug])}?state=skipped&batch={batch.number}"
    lines = []
    if waits.able < waits.asked:
        lines.append(Line(_too_few(waits), *members))
    if waits.paused:
        text = ngettext(
            "%(names)s is paused, and gets no items until a manager decides.",
            "%(names)s are paused, and get no items until a manager decides.",
            len(waits.paused),
        )
        lines.append(Line(text % {"names": _names(waits.paused)}, *members))
    if waits.at_limit:
        text = ngettext(
            "%(names)s is at the daily limit, until midnight UTC.",
            "%(names)s are at the daily limit, until midnight UTC.",
            len(waits.at_limit),
        )
        lines.append(Line(text % {"names": _names(waits.at_limit)}, *members))
    if n := waits.assigned_to_nobody:
        text = ngettext(
            "%(n)s item is assigned to people who cannot get items now.",
            "%(n)s items are assigned to people who cannot get items now.",
            n,
        )
        lines.append(Line(text % {"n": number(n)}, *parts))
    elif n := waits.assigned:
        text = ngettext(
            "%(n)s item is left, all assigned. Other people get no items.",
            "%(n)s items are left, all assigned. Other people get no items.",
            n,
        )
        lines.append(Line(text % {"n": number(n)}, *parts))
    if waits.gold:
        text = (
            gettext("Only gold items lack answers. You can end the batch without them.")
            if waits.gold > 1
            else gettext("Only a gold item lacks answers. You can end the batch without them.")
        )
        lines.append(Line(text, *(_end(project, batch) if can_end else ("", ""))))
    if n := waits.replacing:
        text = ngettext(
            "%(n)s item is in the batch in place of skipped items, and still lacks answers.",
            "%(n)s items are in the batch in place of skipped items, and still lack answers.",
            n,
        )
        lines.append(Line(text % {"n": number(n)}, gettext("Skipped items"), skipped))
    return lines


def _end(project: Project, batch: Batch) -> tuple[str, str]:
    return gettext("End batch"), reverse("project-batch-end", args=[project.slug, batch.number])


def _too_few(waits: Waits) -> str:
    if not waits.able:
        return gettext("No person can get items now.")
    return ngettext(
        "Each item is asked of %(asked)s people, and %(n)s person can get items now.",
        "Each item is asked of %(asked)s people, and %(n)s people can get items now.",
        waits.able,
    ) % {"asked": number(waits.asked), "n": number(waits.able)}


def _names(people: Sequence[str]) -> str:
    """Return "ann", "ann and bob", or "5 people"."""
    if len(people) > NAMED:
        return count(len(people), "person", "people")
    return str(get_text_list([isolated(each) for each in sorted(people)], gettext("and")))
