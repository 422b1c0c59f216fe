"""The state of a project in one sentence, and the member's next thing to do. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext, ngettext

from labeling.models import Ability, Batch, Membership, Project
from labeling.web.shared.words import number


@dataclass(frozen=True, slots=True)
class Situation:
    """A sentence, with or without a link. `urgent`: other people wait for the member."""

    text: str
    action: str = ""
    url: str = ""
    urgent: bool = False


def situation(membership: Membership, batch: Batch | None, *, is_final: bool) -> Situation:
    """Describe the project's state for this member, from its current batch. `is_final`: no item is left for another
    batch.
    """
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
    return Situation(text, gettext("Wait for batch %(batch)s") % {"batch": _next_number(batch)}, url)


def _text(membership: Membership, batch: Batch | None, is_final: bool) -> str:
    loop = membership.project.loop
    if membership.project.archived_at is not None:
        return gettext("Archived: it can be read and exported, not changed.")
    if loop == Project.Loop.PAUSED:
        return gettext("Paused by a manager: annotators get no items until labeling goes on.")
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


def _next_number(batch: Batch) -> int:
    return batch.number if batch.state in (Batch.State.SELECTING, Batch.State.READY) else batch.number + 1
