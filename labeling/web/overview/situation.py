"""The state of a project in sentences, the member's next thing to do, and the open batch's waits. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.text import get_text_list
from django.utils.translation import gettext, ngettext

from labeling.insight.waits import Waits
from labeling.models import Ability, Batch, Membership, Project
from labeling.projects.people.invisible import isolated
from labeling.web.shared.words import count, number


@dataclass(frozen=True, slots=True)
class Situation:
    """A sentence, with or without a link. `urgent`: other people wait for the member."""

    text: str
    action: str = ""
    url: str = ""
    urgent: bool = False


def situation(membership: Membership, batch: Batch | None, *, is_final: bool) -> Situation:
    """Describe the project's state for this member. `is_final`: no item is left for another batch."""
    text = _text(membership, batch, is_final)
    if membership.project.archived_at is not None:
        return Situation(text)
    if membership.can(Ability.REVIEW_DO) and not membership.can(Ability.TASKS_ANSWER):
        return Situation(text, gettext("Review"), reverse("project-review", args=[membership.project.slug]))
    if not membership.can(Ability.TASKS_ANSWER) or batch is None:
        return Situation(text)
    url = reverse("label", args=[membership.project.slug])
    if membership.project.loop == Project.Loop.PAUSED or batch.state == Batch.State.FAILED:
        return Situation(text)
    if batch.state == Batch.State.OPEN:
        return Situation(text, gettext("Label"), url, urgent=True)
    if batch.state == Batch.State.DONE or _is_last(membership.project, batch, is_final):
        return Situation(text)
    next_number = batch.number if batch.state in (Batch.State.SELECTING, Batch.State.READY) else batch.number + 1
    return Situation(text, gettext("Wait for batch %(batch)s") % {"batch": next_number}, url)


def _text(membership: Membership, batch: Batch | None, is_final: bool) -> str:
    loop = membership.project.loop
    if membership.project.archived_at is not None:
        return gettext("Archived: it can be read and exported, not changed.")
    if loop == Project.Loop.PAUSED:
        return gettext("Paused by a manager: annotators get no items until labeling resumes.")
    if batch is None:
        return _nothing_yet(membership.project)
    if batch.state == Batch.State.OPEN:
        return _waiting(batch.remaining, is_last=loop == Project.Loop.STOPPED)
    if batch.state == Batch.State.TRAINING:
        return _complete(membership.project, batch, is_final)
    values = {"batch": batch.number}
    if batch.state == Batch.State.SELECTING:
        return gettext("Batch %(batch)s is being picked.") % values
    if batch.state == Batch.State.READY:
        return gettext("Batch %(batch)s is picked, and opens in a moment.") % values
    if batch.state == Batch.State.FAILED:
        more = batch.reason if membership.can(Ability.BATCHES_READ) else gettext("A manager must check it.")
        failed = gettext("Batch %(batch)s has failed.") % values
        return f"{failed} {more}"
    if loop == Project.Loop.STOPPED:
        return gettext("Stopped by a manager after batch %(batch)s.") % values
    if membership.project.waits_for_predictions and not is_final:
        return gettext("Batch %(batch)s is done. The next one waits for newer predictions from outside.") % values
    return gettext("Batch %(batch)s is done, and no item is left to label.") % values


def _nothing_yet(project: Project) -> str:
    if project.waits_for_predictions:
        return gettext(
            "Nothing to label yet. The first batch is picked once items are imported and predictions are handed in."
        )
    return gettext("Nothing to label yet. The first batch opens once items are imported.")


def _waiting(remaining: int, *, is_last: bool) -> str:
    if is_last:
        text = ngettext(
            "%(n)s item waits for an answer; no batch follows this one.",
            "%(n)s items wait for an answer; no batch follows this one.",
            remaining,
        )
    else:
        text = ngettext("%(n)s item waits for an answer.", "%(n)s items wait for an answer.", remaining)
    return text % {"n": number(remaining)}


def _complete(project: Project, batch: Batch, is_final: bool) -> str:
    complete = gettext("Batch %(batch)s is complete.")
    if is_final:
        complete = gettext("Batch %(batch)s is complete, and no item is left to label.")
    trains = gettext("The model is training on it.") if project.trains else gettext("Its labels are being settled.")
    sentences = [complete % {"batch": batch.number}, trains]
    if not is_final and _is_last(project, batch, is_final):
        sentences.append(gettext("No batch follows."))
    return " ".join(sentences)


def _is_last(project: Project, batch: Batch, is_final: bool) -> bool:
    """Return whether no batch opens after this one. A batch that is being picked opens even in a stopped loop."""
    return batch.state == Batch.State.TRAINING and (is_final or project.loop == Project.Loop.STOPPED)


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
        end = gettext("End batch"), reverse("project-batch-end", args=[project.slug, batch.number])
        lines.append(Line(text, *(end if can_end else ("", ""))))
    if n := waits.replacing:
        text = ngettext(
            "%(n)s item is in the batch in place of skipped items, and still lacks answers.",
            "%(n)s items are in the batch in place of skipped items, and still lack answers.",
            n,
        )
        lines.append(Line(text % {"n": number(n)}, gettext("Skipped items"), skipped))
    return lines


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
