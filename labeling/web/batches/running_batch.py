"""What a batch's page says of its progress: tasks by state, annotators, expected end, and parts kept for people."""

import datetime
from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from labeling.insight.pace import Pace
from labeling.insight.work import AskedAnswers, Contribution
from labeling.models import Ability, Batch, Membership, User
from labeling.models.batches import IMPORTED, answers_needed
from labeling.projects.people.invisible import isolated
from labeling.queue import parts
from labeling.queue.parts import parts_of
from labeling.web.shared.pages import action
from labeling.web.shared.words import count, detail_in_words, duration, number, phase_in_words
from labeling.web.shared.words import number as number_of

# An annotator whose last answer is no older than this counts as at work.
AT_WORK = datetime.timedelta(minutes=10)
BAR = 1000


def running(
    batch: Batch, contributions: Sequence[Contribution], asked: AskedAnswers, pace: Pace, now: datetime.datetime
) -> dict[str, Any]:
    """Return the progress of a batch: `pieces` of its bar, the `people`, and when it will end."""
    people: list[dict[str, Any]] = [
        {"row": each, "at_work": each.last_at is not None and now - each.last_at <= AT_WORK} for each in contributions
    ]
    is_open = batch.state == Batch.State.OPEN
    return {
        "pieces": _pieces(batch, asked),
        "people": people,
        "outlook": _outlook(asked, sum(person["at_work"] for person in people), pace) if is_open else "",
        "deadline": _deadline(batch, asked, now) if is_open else "",
    }


def _pieces(batch: Batch, asked: AskedAnswers) -> list[dict[str, Any]]:
    """Make the pieces of the progress bar, `BAR` units wide: answered, skipped, held and open tasks."""
    if batch.state == Batch.State.OPEN:
        unasked = ngettext("%(n)s open", "%(n)s open", asked.open)
    elif batch.strategy == IMPORTED:
        unasked = ngettext("%(n)s imported", "%(n)s imported", asked.open)
    else:
        unasked = ngettext("%(n)s left out", "%(n)s left out", asked.open)
    named = [
        ("answered", ngettext("%(n)s answered", "%(n)s answered", asked.answered), asked.answered),
        ("skipped", ngettext("%(n)s skipped", "%(n)s skipped", asked.skipped), asked.skipped),
        ("held", ngettext("%(n)s with annotators", "%(n)s with annotators", asked.held), asked.held),
        ("free", unasked, asked.open),
    ]
    total = max(1, sum(n for _, _, n in named))
    pieces, before = [], 0
    for kind, name, n in named:
        if n:
            left, right = BAR * before / total, BAR * (before + n) / total
            text = name % {"n": number(n)}
            pieces.append({"kind": kind, "text": text, "x": round(left, 1), "width": round(right - left, 1)})
        before += n
    return pieces


def _outlook(asked: AskedAnswers, at_work: int, pace: Pace) -> str:
    """Say when the rest of the batch will probably be answered."""
    left = asked.open + asked.held
    if not left:
        return ""
    if not at_work:
        return gettext("No answers in the last 10 minutes.") if asked.answered + asked.skipped else ""
    if pace.seconds is None:
        return ""
    return ngettext(
        "At this pace, done in about %(time)s, with one person at work.",
        "At this pace, done in about %(time)s, with %(n)s people at work.",
        at_work,
    ) % {"time": duration(max(10.0, left * pace.seconds / at_work)), "n": number(at_work)}


def _deadline(batch: Batch, asked: AskedAnswers, now: datetime.datetime) -> str:
    if batch.deadline_at is None:
        return ""
    needed = answers_needed(batch.size, batch.overlap, batch.complete_share)
    missing = needed - asked.answered - asked.skipped
    seconds = (batch.deadline_at - now).total_seconds()
    values = {"n": number(missing), "time": duration(max(0.0, seconds))}
    if seconds > 0 and missing > 0:
        text = ngettext(
            "Deadline in %(time)s: the batch then ends if it has %(n)s more answer.",
            "Deadline in %(time)s: the batch then ends if it has %(n)s more answers.",
            missing,
        )
    elif seconds > 0:
        text = gettext("Deadline in %(time)s: the batch then ends.")
    elif missing > 0:
        text = ngettext(
            "The deadline has passed: the batch ends after %(n)s more answer.",
            "The deadline has passed: the batch ends after %(n)s more answers.",
            missing,
        )
    else:
        text = gettext("The deadline has passed: the batch ends within a minute.")
    return text % values


def step_line(progress: dict[str, Any]) -> str:
    """Describe the running step: "training the model · 45 % · step 480 of 1,200, loss 0.31 · about 12 s left"."""
    if not progress["phase"]:
        return ""
    parts = [phase_in_words(progress["phase"])]
    if progress["share"]:
        parts.append(f"{100 * progress['share']:.0f}\u00a0%")
    if progress["detail"]:
        parts.append(detail_in_words(progress["detail"]))
    if progress["retry_at"] is not None:
        left = (progress["retry_at"] - timezone.now()).total_seconds()
        parts.append(gettext("tried again in about %(time)s") % {"time": duration(max(10, left))})
    if progress["seconds_left"] is not None:
        parts.append(gettext("next batch in about %(time)s") % {"time": duration(max(10, progress["seconds_left"]))})
    elif progress["step_seconds_left"] is not None:
        parts.append(gettext("about %(time)s left") % {"time": duration(max(10, progress["step_seconds_left"]))})
    return " · ".join(parts)


GROUP = "group:"


class PartForm(forms.Form):
    """A share of the batch, and the member or group (`group:` and its name) to reserve it for."""

    whom = forms.CharField()
    share = forms.FloatField(min_value=0.01, max_value=100)


def assigned(batch: Batch) -> dict[str, Any]:
    """Return the context for the parts on the batch's page: the parts, and the members and groups to choose from."""
    people = Membership.objects.annotators().filter(project=batch.project_id)
    return {
        "parts": [
            {
                "row": each.part,
                "tasks": count(each.part.stop - each.part.start, "task"),
                "unanswered": each.unanswered,
                "waits": each.unanswered and not each.people,
            }
            for each in parts_of(batch)
        ],
        "assignable": batch.state in (Batch.State.OPEN, Batch.State.READY),
        "groups": [(f"{GROUP}{name}", name) for name in sorted({each.group for each in people if each.group})],
        "annotators": people.order_by("user__username").values_list("user__username", flat=True),
    }


@action(Ability.BATCHES_CHANGE, "project-batch", "number", refused=(parts.PartError,))
def keep_part(request: HttpRequest, membership: Membership, number: int) -> str:
    """Reserve a share of the batch for one member or a group."""
    batch = get_object_or_404(membership.project.batches, number=number)
    form = PartForm(request.POST)
    if not form.is_valid():
        raise parts.PartError(gettext("Choose a person or a group, and a share from 0.01 to 100 percent."))
    whom, group, user = form.cleaned_data["whom"], "", None
    if whom.startswith(GROUP):
        group = whom.removeprefix(GROUP)
    else:
        user = User.objects.filter(memberships__project=membership.project, username=whom).first()
    part = parts.assign_part(batch=batch, share=form.cleaned_data["share"] / 100, user=user, group=group)
    n = part.stop - part.start
    text = ngettext("%(n)s task is assigned to %(name)s.", "%(n)s tasks are assigned to %(name)s.", n)
    return text % {"n": number_of(n), "name": isolated(part.name)}


@action(Ability.BATCHES_CHANGE, "project-batch", "number")
def lift_part(request: HttpRequest, membership: Membership, number: int, part_id: int) -> str:
    """Remove a part, so that every annotator can claim its tasks."""
    batch = get_object_or_404(membership.project.batches, number=number)
    part = get_object_or_404(batch.parts.select_related("user"), pk=part_id)
    parts.unassign_part(batch=batch, part_id=part_id)
    return gettext("The tasks of %(name)s are open to everyone again.") % {"name": isolated(part.name)}
