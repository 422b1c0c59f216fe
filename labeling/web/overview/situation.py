"""The state of a project in one sentence, and the member's next thing to do. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from labeling.models import Ability, Batch, Membership, Project
from labeling.web.shared.words import count


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
        return Situation(text, "Review", reverse("project-review", args=[membership.project.slug]))
    if not membership.can(Ability.TASKS_ANSWER) or batch is None:
        return Situation(text)
    url = reverse("label", args=[membership.project.slug])
    if membership.project.loop == Project.Loop.PAUSED or batch.state == Batch.State.FAILED:
        return Situation(text)
    if batch.state == Batch.State.OPEN:
        return Situation(text, "Label", url, urgent=True)
    if batch.state == Batch.State.DONE or _is_last(membership.project, batch, is_final):
        return Situation(text)
    return Situation(text, f"Wait for batch {_next_number(batch)}", url)


def _text(membership: Membership, batch: Batch | None, is_final: bool) -> str:
    loop = membership.project.loop
    if membership.project.archived_at is not None:
        return "Archived: it can be read and exported, not changed."
    if loop == Project.Loop.PAUSED:
        return "Paused by a manager: annotators get no items until labeling goes on."
    if batch is None and membership.project.waits_for_predictions:
        return "Nothing to label yet. The first batch is picked once items are imported and predictions are handed in."
    if batch is None:
        return "Nothing to label yet. The first batch opens once items are imported."
    if batch.state == Batch.State.OPEN:
        waiting = f"{count(batch.remaining, 'item waits', 'items wait')} for an answer"
        return f"{waiting}; no batch follows this one." if loop == Project.Loop.STOPPED else f"{waiting}."
    if batch.state == Batch.State.TRAINING:
        if is_final:
            end = "The model is training on it." if membership.project.trains else "Its labels are being settled."
            return f"Batch {batch.number} is complete, and no item is left to label. {end}"
        then = " No batch follows." if _is_last(membership.project, batch, is_final) else ""
        if not membership.project.trains:
            return f"Batch {batch.number} is complete. Its labels are being settled.{then}"
        return f"Batch {batch.number} is complete. The model is training on it.{then}"
    if batch.state == Batch.State.SELECTING:
        return f"Batch {batch.number} is being picked."
    if batch.state == Batch.State.READY:
        return f"Batch {batch.number} is picked, and opens in a moment."
    if batch.state == Batch.State.FAILED:
        more = f" {batch.reason}" if membership.can(Ability.BATCHES_READ) else " A manager must check it."
        return f"Batch {batch.number} has failed.{more}"
    if loop == Project.Loop.STOPPED:
        return f"Stopped by a manager after batch {batch.number}."
    if membership.project.waits_for_predictions and not is_final:
        return f"Batch {batch.number} is done. The next one waits for newer predictions from outside."
    return f"Batch {batch.number} is done, and no item is left to label."


def _is_last(project: Project, batch: Batch, is_final: bool) -> bool:
    """Return whether no batch opens after this one. A batch that is being picked opens even in a stopped loop."""
    return batch.state == Batch.State.TRAINING and (is_final or project.loop == Project.Loop.STOPPED)


def _next_number(batch: Batch) -> int:
    return batch.number if batch.state in (Batch.State.SELECTING, Batch.State.READY) else batch.number + 1
