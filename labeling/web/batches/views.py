"""The pages of batches and of how each batch was selected."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext

from labeling.insight import picked
from labeling.insight.balance import balance_of
from labeling.insight.clusterings import clustering_of
from labeling.insight.pace import pace_of
from labeling.insight.progress import progress_of
from labeling.insight.work import asked_answers_of, contributions_of, hours_of
from labeling.labels.items.order import count_up_to
from labeling.loop import batches, retrying
from labeling.models import Ability, Batch, Job, Membership, Project
from labeling.queue import deadlines, rechecking
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import PoolMap
from labeling.web.batches.batch_rows import STATES, answered_of, batch_rows, left_out, picked_by, picked_row, stretch
from labeling.web.batches.running_batch import assigned, running, step_line
from labeling.web.charts.balance import class_balance
from labeling.web.charts.pool_map import pool_map
from labeling.web.charts.rounds import round_times, rounds_of
from labeling.web.models.version_words import fit_of, passed_over
from labeling.web.shared import words
from labeling.web.shared.pages import errors_as_messages, for_members, render_page

BATCHES_A_PAGE = 25
TASKS_A_PAGE = 50
LIVE = (Batch.State.SELECTING, Batch.State.READY, Batch.State.OPEN, Batch.State.TRAINING)
"""The states in which the page of a batch shows the running step, because the step then belongs to that batch."""


@for_members(reading=Ability.PROJECT_READ)
def batch_list(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List all batches, the newest first."""
    project_batches = membership.project.batches.select_related("selected_by", "model_version").order_by("-number")
    page = Paginator(project_batches, BATCHES_A_PAGE).get_page(request.GET.get("page"))
    detailed = membership.can(Ability.BATCHES_READ)
    hours = hours_of(membership.project, list(page)) if detailed else None
    if not detailed:
        rechecking.show_remaining(page)
    context = {"page": page, "rows": batch_rows(page, hours), "detailed": detailed}
    return render_page(request, membership, "project/batches.html", context, section="project-batches")


@for_members(reading=Ability.PROJECT_READ)
def batch_detail(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Show one batch. Its tasks require `BATCHES_READ`, because they tell control tasks from others."""
    project_batches = membership.project.batches.select_related(
        "selected_by", "model_version", "choice__user", "label_counts"
    )
    batch = get_object_or_404(project_batches, number=number)
    if not membership.can(Ability.BATCHES_READ):
        rechecking.show_remaining([batch])
    now = timezone.now()
    answered, answers = rechecking.answers_shown(batch)
    progress = progress_of(membership.project) if batch.state in LIVE else None
    context: dict[str, Any] = {
        "batch": batch,
        "progress": progress,
        "step": step_line(progress) if progress else "",
        "answered": answered,
        "answers": answers,
        "answered_shown": answered_of(answered, answers, batch.size),
        "state": STATES[Batch.State(batch.state)],
        "failed_in": STATES[Batch.State(batch.failed_in)] if batch.failed_in else "",
        "left_out": left_out(batch),
        "picked_by": picked_by(batch),
        "states": _state_history(batch),
        "is_open": batch.state == Batch.State.OPEN,
        "can_end": batch.state == Batch.State.OPEN and batch.remaining < batch.size,
        "ways_out": retrying.ways_out(batch) if membership.can(Ability.BATCHES_CHANGE) else [],
    }
    if membership.can(Ability.MEMBERS_READ):
        context["assigned"] = assigned(batch)
    if membership.can(Ability.BATCHES_READ):
        people = contributions_of(batch, now)
        context |= {
            "running": running(batch, people, asked_answers_of(batch, people), pace_of(membership.project, now), now),
            "rounds": round_times(rounds_of([batch], hours_of(membership.project, [batch]), now)),
            "passed_over": passed_over(batch),
            "balance": class_balance(balance_of(membership.project, batch), batch.number),
        }
        clustering = clustering_of(membership.project) if batch.clusters else None
        if clustering and clustering.digest == batch.dendrogram_hash:  # the batch was picked by this clustering
            context["fit"] = fit_of(clustering)
        context |= _map(membership.project, batch, picked.read_task_filter(request.GET).cluster)
        context |= {"facts": _facts(batch), **_tasks(request, membership.project, batch)}
    return render_page(request, membership, "project/batch.html", context, section="project-batches")


@for_members(reading=Ability.BATCHES_CHANGE, changing=Ability.BATCHES_CHANGE)
def end_batch(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Ask for confirmation (GET), then end an open batch with its present answers (POST)."""
    batch = get_object_or_404(membership.project.batches, number=number)
    if request.method != "POST" and batch.state == Batch.State.OPEN:
        context = {
            "batch": batch,
            "size": words.count(batch.size, "item"),
            "unanswered": batch.remaining,
            "answered": batch.size - batch.remaining,
        }
        return render_page(request, membership, "project/batch_end.html", context, section="project-batches")
    with errors_as_messages(request, batches.BatchError):
        dropped = deadlines.end_early(batch=batch)
        text = gettext("Batch %(number)s is ended. The model is trained on it now.")
        if dropped:
            text = ngettext(
                "Batch %(number)s is ended, %(n)s item back in the pool. The model is trained on it now.",
                "Batch %(number)s is ended, %(n)s items back in the pool. The model is trained on it now.",
                dropped,
            )
        messages.success(request, text % {"number": number, "n": words.number(dropped)})
    return redirect("project", membership.project.slug)


def _state_history(batch: Batch) -> list[dict[str, Any]]:
    """List the states that the batch has passed, each with its start and its duration."""
    begun = [
        (gettext("Selecting"), batch.created_at, batch.opened_at),
        (gettext("Open"), batch.opened_at, batch.completed_at),
        (gettext("Training"), batch.completed_at, batch.done_at),
        (gettext("Done"), batch.done_at, None),
    ]
    return [{"name": name, "at": start, "took": stretch(start, end)} for name, start, end in begun if start]


def _facts(batch: Batch) -> list[tuple[str, str, str]]:
    """List the facts that a repetition of the selection needs, as (name, value, meaning)."""
    if batch.seed is None:
        return []
    control = gettext("%(control_tasks)s (%(share)s asked for)") % {
        "control_tasks": words.number(batch.control_tasks),
        "share": words.percent(batch.control_share or 0),
    }
    ends = batch.deadline_at
    facts: list[tuple[str, Any, str]] = [
        (gettext("Picked"), picked_by(batch), ""),
        (gettext("Picked ahead"), batch.kept_tasks or None, gettext("tasks given out before the newest model came")),
        (gettext("Seed"), str(batch.seed), gettext("determines every random choice")),
        (gettext("Batch size"), batch.batch_size, gettext("k_t: items asked for")),
        (
            gettext("Candidates"),
            batch.candidates,
            gettext("k_m: the least certain items, from which the batch was drawn"),
        ),
        (gettext("Candidate factor"), batch.candidate_factor if batch.clusters else None, "k_m / k_t"),
        (gettext("Clusters"), batch.clusters, gettext("at the cut")),
        (gettext("Mean cluster size"), batch.mean_cluster_size if batch.clusters else None, gettext("asked for")),
        (gettext("Class guard"), batch.class_guard, gettext("times its even share that a class may fill")),
        (gettext("Cut height"), batch.cut_height, gettext("where the dendrogram was cut")),
        (gettext("Control tasks"), control, gettext("drawn at random")),
        (gettext("Pool"), batch.pool_size, gettext("unlabeled items at that time")),
        (gettext("Pool rows"), batch.pool_rows, gettext("rows of the matrices at that time")),
        (gettext("Answers an item"), batch.overlap, gettext("overlap")),
        (gettext("Deadline"), ends and f"{ends:%Y-%m-%d %H:%M} UTC", _condition(batch)),
        (
            gettext("Left out"),
            batch.dropped or None,
            gettext("tasks without an answer when the batch was ended early; their items are back in the pool"),
        ),
        (gettext("Took"), words.duration(batch.select_seconds or 0), gettext("to pick")),
    ]
    return [(name, _shown(value), meaning) for name, value, meaning in facts if value is not None]


def _condition(batch: Batch) -> str:
    share = 1.0 if batch.complete_share is None else batch.complete_share
    return gettext("ends it once %(share)s of the answers are there") % {"share": words.percent(share)}


def _shown(value: Any) -> str:
    if isinstance(value, int):
        return words.number(value)
    return words.localized(f"{value:.6g}") if isinstance(value, float) else str(value)


def _map(project: Project, batch: Batch, cluster: int | None) -> dict[str, Any]:
    """Return the map of the pool, or why it is missing; nothing for a batch that was not picked by clusters."""
    if not batch.clusters:
        return {}
    drawn = stored.load(ProjectFiles(project).map(batch.number), PoolMap)
    if drawn is not None:
        items = reverse("project-items", args=[project.slug])
        return {"map": pool_map(drawn, lambda name: f"{items}?cluster={batch.number}:{name}", cluster)}
    survey = batch.jobs.filter(kind=Job.Kind.SURVEY).first()
    if survey is None or survey.state == Job.State.DONE:  # the clustering was rebuilt before the map was drawn
        return {}
    if survey.state == Job.State.FAILED:
        return {"map_state": gettext("It could not be drawn: %(reason)s") % {"reason": survey.reason}}
    return {"map_state": gettext("The map is being drawn at low priority. Reload the page in a minute.")}


def _tasks(request: HttpRequest, project: Project, batch: Batch) -> dict[str, Any]:
    """Return a page of the batch's tasks that match the request's filters."""
    chosen = picked.read_task_filter(request.GET)
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    page = picked.page_of(batch, chosen, TASKS_A_PAGE, after=after, before=before)
    names, flags = picked.names_on(project, page.tasks), picked.flags_on(page.tasks)
    n, more = count_up_to(picked.tasks_of(batch, chosen)) if chosen.filtered else (batch.size - batch.further, False)
    return {
        "rows": [picked_row(project, batch, task, names, flags) for task in page.tasks],
        "counted": gettext("More than %(n)s tasks") % {"n": words.number(n)} if more else words.count(n, "task"),
        "one": n == 1,
        "wanted": chosen,
        "by_rank": chosen.sort != picked.RANK and picked.order_of(batch, chosen) == picked.ORDERS[picked.RANK],
        "sorts": [(name, gettext(order.title)) for name, order in picked.ORDERS.items()],
        "parts": [(name, gettext(title)) for name, title in picked.PARTS.items()],
        "earlier": urlencode({**chosen.query, "before": page.before}) if page.before else "",
        "later": urlencode({**chosen.query, "after": page.after}) if page.after else "",
    }
