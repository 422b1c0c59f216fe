"""The overview page of a project: the state of its loop, and a manager's controls."""

import datetime
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from labeling.finishing.progress import pool_progress
from labeling.insight.attention import Attention, attention_of
from labeling.insight.clusterings import clustering_of
from labeling.insight.control_slice import ControlSlice
from labeling.insight.labels_saved import NoFigure
from labeling.insight.pace import Pace, pace_of
from labeling.insight.payoff import LEAST_VERSIONS, WORTH, Advice, Payoff, payoff_of
from labeling.insight.progress import Unattended, progress_of, unattended
from labeling.insight.status import failures_of, items_of, leased_of, models_of, put_off_of
from labeling.insight.waits import waits_of
from labeling.insight.work import asked_answers_of, contributions_of
from labeling.loop import batches, retrying
from labeling.models import Ability, Batch, Job, Membership, ModelVersion, Project
from labeling.projects.version_in_use import in_use
from labeling.questions import Question
from labeling.queue import rechecking
from labeling.web.batches.batch_rows import STATES, answered_of, batch_rows
from labeling.web.batches.running_batch import running, step_line
from labeling.web.charts.learning import Accuracy, accuracy_of, learning_curve
from labeling.web.charts.payoff import about, payoff_chart
from labeling.web.finish.words import sentence
from labeling.web.models.version_words import fit_of, picking_of
from labeling.web.overview.situation import Line, lines, situation
from labeling.web.settings.standing import person_hours
from labeling.web.shared.pages import action, damaged_files, for_members, render_page
from labeling.web.shared.words import (
    HOUR,
    count,
    duration,
    localized,
    money,
    number,
    phase_as_title,
    phase_in_words,
    span,
)
from selector.strategies import STRATEGIES

MINUS = "−"


@dataclass(frozen=True, slots=True)
class PayingOff:
    """The advice, the data it is based on, and `facts` as (name, value, detail)."""

    advice: str
    basis: str
    warning: str = ""
    """Advice if picking has cost labels, or why that could not be estimated."""
    facts: list[tuple[str, str, str]] = field(default_factory=list)


def paying_off(project: Project, payoff: Payoff, pace: Pace, *, with_cost: bool) -> PayingOff:
    """Return the advice and its figures; `with_cost`: also the next batch's cost, if an hour has a cost."""
    facts = []
    if payoff.next is not None:
        gain = payoff.next.gain.predicted
        facts.append((gettext("Next batch brings"), _points(gain.value), span(_points(gain.low), _points(gain.high))))
        hours = person_hours(payoff.next.items, project, pace)
        facts.append(
            (
                gettext("It takes"),
                duration(hours * HOUR),
                gettext("of labeling, for %(items)s") % {"items": count(payoff.next.items, "item")},
            )
        )
        if with_cost and project.hourly_cost is not None:
            facts.append((gettext("It costs"), money(float(project.hourly_cost) * hours, project.currency), ""))
    return PayingOff(_advice(payoff, project.asks), _basis(payoff), _warning(project, payoff), facts)


def _warning(project: Project, payoff: Payoff) -> str:
    """Return the advice to draw at random, if fewer uniform labels than the version in use learned from are enough for
    its accuracy, with 95 % confidence; or why the estimate failed.
    """
    if payoff.missing == NoFigure.FAILED:
        return gettext("Estimating the labels saved failed: %(reason)s") % {"reason": payoff.reason}
    high = None if payoff.saved is None else payoff.saved.needed.high
    if high is None or high >= payoff.learned or STRATEGIES[project.strategy].fair:
        return ""
    return gettext(
        "Picking has cost labels so far, as it can where many items are broken. Let annotators skip these. "
        "Change the strategy to Uniform for every second batch, or for all."
    )


def _advice(payoff: Payoff, asks: Question) -> str:
    worth = _share(WORTH)
    match payoff.advice:
        case Advice.GO_ON:
            return gettext("Continue: the next batch probably brings %(worth)s or more.") % {"worth": worth}
        case Advice.STOP:
            return gettext("Consider stopping: the next batch brings less than %(worth)s, almost certainly.") % {
                "worth": worth
            }
        case Advice.UNCLEAR:
            unclear = gettext(
                "Not enough data yet to tell whether another batch is worth it: less than %(worth)s is likely, "
                "but not certain."
            )
            if payoff.more_control is None:
                more = gettext("The estimate is too close to %(worth)s.")
            else:
                more = gettext("About %(more_control)s more control answers are needed.")
            return f"{unclear} {more}" % {"worth": worth, "more_control": about(payoff.more_control or 0)}
        case Advice.DONE:
            return gettext("No item is left to label.")
    if payoff.missing == NoFigure.QUESTION:
        return gettext("No suggestion is made where %(why)s.") % {"why": gettext(asks.why_best_class_is_no_answer)}
    if payoff.more_control:
        return gettext("Too early for a suggestion: it needs %(more_control_answers)s.") % {
            "more_control_answers": count(payoff.more_control, "more control answer")
        }
    return gettext("Too early for a suggestion: it needs %(least)s model versions.") % {"least": LEAST_VERSIONS}


def _basis(payoff: Payoff) -> str:
    if payoff.next is None:
        return ""
    return gettext(
        "Estimated from %(model_versions)s on %(control_items)s. The suggestion is about the labels, "
        "not the luck of one training. A batch is worth it from %(share)s of accuracy on."
    ) % {
        "model_versions": count(payoff.versions, "model version"),
        "control_items": count(payoff.control, "control item"),
        "share": _share(WORTH),
    }


def _share(gain: float) -> str:
    return (
        gettext("half a point")
        if gain == 0.005
        else gettext("%(gain)s points") % {"gain": localized(f"{100 * gain:g}")}
    )


def _points(gain: float | None) -> str:
    """Return a gain in points of accuracy: +0.6 points."""
    value = 100 * (gain or 0.0)
    return gettext("%(gain)s points") % {"gain": localized(f"{'+' if value >= 0 else MINUS}{abs(value):.1f}")}


RECENT = 5

# A manager's actions in each state of the loop, the most likely first.
LOOP_ACTIONS: dict[str, list[dict[str, Any]]] = {
    Project.Loop.RUNNING: [
        {
            "loop": Project.Loop.PAUSED,
            "title": gettext_lazy("Pause"),
            "meaning": gettext_lazy(
                "Annotators get no items until you start again. They can still answer the items they hold, and "
                "training continues."
            ),
        },
        {
            "loop": Project.Loop.STOPPED,
            "title": gettext_lazy("Stop"),
            "meaning": gettext_lazy("The current batch is labeled to its end and trained on, but no batch follows."),
        },
    ],
    Project.Loop.PAUSED: [
        {
            "loop": Project.Loop.RUNNING,
            "title": gettext_lazy("Start"),
            "meaning": gettext_lazy("People get items again."),
        },
        {
            "loop": Project.Loop.STOPPED,
            "title": gettext_lazy("Stop"),
            "meaning": gettext_lazy("Labeling continues until the current batch ends. No batch follows."),
        },
    ],
    Project.Loop.STOPPED: [
        {
            "loop": Project.Loop.RUNNING,
            "title": gettext_lazy("Start"),
            "meaning": gettext_lazy("The next batch is picked as soon as the current one is done."),
        }
    ],
}
SET = {
    Project.Loop.RUNNING: gettext_lazy("The loop is running."),
    Project.Loop.PAUSED: gettext_lazy("Paused: annotators get no items until you start again."),
    Project.Loop.STOPPED: gettext_lazy("Stopped: no batch follows the current one."),
}

LOOPS = {Project.Loop.PAUSED: gettext_lazy("paused"), Project.Loop.STOPPED: gettext_lazy("stopped")}


class LoopForm(forms.Form):
    loop = forms.ChoiceField(choices=Project.Loop.choices)


@for_members(reading=Ability.PROJECT_READ)
def overview(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the loop to every member, and attention, figures, waits and actions to those with the abilities."""
    project, now = membership.project, timezone.now()
    progress = progress_of(project, membership.user)
    recent = list(project.batches.select_related("selected_by", "model_version").order_by("-number")[:RECENT])
    if not membership.can(Ability.BATCHES_READ):
        rechecking.show_remaining(recent)
    batch = next((each for each in recent if each.number == progress["batch"]), None)
    context: dict[str, Any] = {
        "situation": situation(membership, batch, is_final=progress["is_final"]),
        "progress": progress,
        "step": step_line(progress),
        "batch": batch,
        "answered": answered_of(progress["answered"], progress["answers"], progress["size"]),
        "badge": _badge(progress),
        "recent": batch_rows(recent),
    }
    if membership.can(Ability.ITEMS_READ):
        context["attention"] = attention = attention_of(project)
    if membership.can(Ability.BATCHES_READ):
        pace = pace_of(project, now)
        context |= _numbers(membership, attention, pace, now)
        context["fit"] = fit_of(clustering_of(project))
        context["picking"] = picking_of(in_use(project))
        context["damaged"] = damaged_files(project)
        if batch and batch.state == Batch.State.OPEN:
            people = contributions_of(batch, now)
            context["running"] = running(batch, people, asked_answers_of(batch, people), pace, now)
    if membership.can(Ability.SETTINGS_READ):
        context |= {
            "waiting": (step := unattended(project, now)) and _waiting_in_vain(step, now),
            "no_worker": step is not None and not step.any_worker,
            "waits": _waits(membership, batch, now),
            "proposed": project.proposals.open().values("key").distinct().count(),
        }
    if membership.can(Ability.BATCHES_CHANGE):
        # A running loop without an item left: to pause or stop it would change nothing.
        is_over = project.loop == Project.Loop.RUNNING and batch is not None and batch.state == Batch.State.DONE
        context |= {
            "actions": [] if is_over else LOOP_ACTIONS[project.loop],
            "can_end": batch is not None and batch.state == Batch.State.OPEN and batch.remaining < batch.size,
            "ways_out": retrying.ways_out(batch) if batch is not None else [],
        }
    return render_page(request, membership, "project/overview.html", context, section="project")


def _badge(progress: dict[str, Any]) -> str:
    """Return the state of the loop if it is held, or else that of the batch, in one word."""
    if progress["loop"] != Project.Loop.RUNNING:
        return str(LOOPS[progress["loop"]])
    return str(STATES[progress["state"]]) if progress["state"] else gettext("waiting")


def _numbers(membership: Membership, attention: Attention, pace: Pace, now: datetime.datetime) -> dict[str, Any]:
    """Return the counts, the progress in a sentence, the accuracy of the versions, and the payoff.

    The page requests them at every change, so nothing here reads all annotations.
    """
    project = membership.project
    control = ControlSlice(project)
    items, versions, leased = items_of(project), models_of(project, control), leased_of(project)
    progress = pool_progress(project, items, pace)
    counts = [  # None: not mentioned
        (gettext("Imported"), items["total"]),
        (gettext("Encoded"), items["encoded"]),
        (gettext("Unreadable"), items["unreadable"] or None),
        (gettext("Labeled"), items["labeled"]),
        (gettext("Certified"), progress.certified or None),
        (gettext("Skipped by all"), attention.skipped),
        (gettext("Not yet in a batch"), items["unlabeled"]),
    ]
    points = [point for point in map(accuracy_of, versions) if point]
    trained = {each["version"] for each in versions if each["origin"] == ModelVersion.Origin.TRAINED}
    unencoded = items["total"] - items["encoded"] - items["unreadable"]
    return {
        "items": items,
        "finished": sentence(progress) if items["encoded"] else "",
        # Asked only where the page has no accuracy to show.
        "all_came_labeled": lambda: not items["control"] and 0 < items["encoded"] == project.batches.imported_items(),
        "unencoded": unencoded,
        "counts": [(title, number(n)) for title, n in counts if n is not None],
        "leased": leased and count(leased, "item"),
        "points": points,
        "models": len(versions),
        **_payoff(membership, control, [each for each in points if each.version in trained], pace),
        # A failed step of a batch is shown with the batch; a failed encoding is over once all items are encoded.
        "failures": [
            {**failure, "title": phase_as_title(Job.Kind(failure["step"]).facts.phase)}
            for failure in failures_of(project)
            if failure["batch"] is None and (failure["step"] != Job.Kind.ENCODE or unencoded)
        ][:3],
        "put_off": [
            {
                "step": phase_as_title(Job.Kind(each["step"]).facts.phase),
                "import": each["import"],
                "reason": each["reason"].rstrip("."),
                "at": each["retry_at"] if each["retry_at"] > now else None,
            }
            for each in put_off_of(project)[:3]
        ],
    }


def _payoff(membership: Membership, control: ControlSlice, points: list[Accuracy], pace: Pace) -> dict[str, Any]:
    """Return the learning curve, with the curve of uniform labels if it was estimated, and the payoff in words."""
    project = membership.project
    if not points:
        return {"curve": None}
    payoff = payoff_of(project, control)
    sentences = paying_off(project, payoff, pace, with_cost=membership.can(Ability.SETTINGS_READ))
    return {
        "payoff": sentences,
        "curve": payoff_chart(points, payoff.saved) if payoff.saved else learning_curve(points),
    }


def _waits(membership: Membership, batch: Batch | None, now: datetime.datetime) -> list[Line]:
    if batch is None or batch.state != Batch.State.OPEN:
        return []
    return lines(membership.project, batch, waits_of(batch, now), can_end=membership.can(Ability.BATCHES_CHANGE))


def _waiting_in_vain(step: Unattended, now: datetime.datetime) -> str:
    """Describe a step that waits for a worker, or whose worker stopped."""
    job, lasts = step.job, duration((now - step.since).total_seconds())
    if job.state == Job.State.RUNNING:
        at = phase_in_words(job.phase or job.facts.phase)
        return gettext("The worker for %(at)s has not responded for %(lasts)s, and no other worker has taken over.") % {
            "at": at,
            "lasts": lasts,
        }
    values = {"step": phase_as_title(job.facts.phase), "lasts": lasts}
    if step.any_worker:
        sentence = gettext("%(step)s has waited for %(lasts)s: a worker runs, but has not begun it.")
        return f"{sentence % values} {gettext('See which steps it takes.')}"
    return gettext("%(step)s has waited for %(lasts)s without a worker.") % values


@action(Ability.BATCHES_CHANGE, "project")
def set_loop(request: HttpRequest, membership: Membership) -> str:
    """Start, pause or stop the loop."""
    form = LoopForm(request.POST)
    if not form.is_valid():
        raise BadRequest("loop must be one of running, paused, stopped.")
    batches.set_loop(project=membership.project, loop=form.cleaned_data["loop"])
    return str(SET[form.cleaned_data["loop"]])


@action(Ability.BATCHES_CHANGE, "project", refused=(batches.BatchError,))
def retry_batch(request: HttpRequest, membership: Membership, number: int) -> str:
    """Take a way out of a failed batch."""
    batch = get_object_or_404(membership.project.batches, number=number)
    retrying.retry(batch=batch, way=request.POST.get("way", "again"))
    return gettext("Batch %(number)s continues.") % {"number": number}
