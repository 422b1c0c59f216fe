"""The page that finishes a project: the forecast for a goal, its start and stop, audits and certificates."""

from __future__ import annotations

import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext

from labeling.finishing import goal as goals
from labeling.finishing.forecasts import forecast_of
from labeling.finishing.goal import FinishRefused, Goal, PeopleErr
from labeling.finishing.people import PeopleErrors, errors_of
from labeling.finishing.progress import PoolProgress, pool_progress
from labeling.finishing.state import audits_of, certificates_of, need_one_more
from labeling.insight.pace import Pace, pace_of
from labeling.insight.status import items_of
from labeling.loop.batches import final
from labeling.models import Ability, Batch, Finish, Membership
from labeling.web.charts.finish import error_curve
from labeling.web.finish import words
from labeling.web.finish.forms import GoalForm
from labeling.web.shared.forms import ErrorsInForm
from labeling.web.shared.pages import action, for_members, render_page

SECTION = "project-finish"


@for_members(reading=Ability.BATCHES_READ, changing=Ability.BATCHES_CHANGE)
def finish(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the forecast for a goal, and the state of the goal that was started; POST starts a goal."""
    project = membership.project
    started = Finish.objects.filter(project=project).select_related("started_by").first()
    form = GoalForm(project, Goal.of(started), request.POST or request.GET)
    if request.method == "POST" and form.is_valid():
        with ErrorsInForm(form, FinishRefused):
            goals.start(project, membership.user, form.goal)
            text = gettext("The goal is set: %(goal)s.")
            messages.success(request, text % {"goal": words.goal_words(form.goal, project.asks)})
            return redirect(SECTION, project.slug)
    now = timezone.now()
    pace, errors = pace_of(project, now), errors_of(project)
    progress = pool_progress(project, items_of(project), pace, errors)
    context = {
        "form": form,
        "line": words.sentence(progress),
        **_forecast(membership, form, pace, errors),
        **_state(membership, form, started, progress, now),
    }
    status = 400 if form.errors else 200
    return render_page(request, membership, "project/finish.html", context, section=SECTION, status=status)


@action(Ability.BATCHES_CHANGE, SECTION)
def stop(request: HttpRequest, membership: Membership) -> str:
    """Stop the goal."""
    goals.stop(membership.project)
    return gettext("Stopped: no further audit is asked. Certificates stay, and so do their labels.")


def _forecast(membership: Membership, form: GoalForm, pace: Pace, errors: PeopleErrors) -> dict[str, Any]:
    """Return the forecast for the form's goal in words, or the reason why there is none."""
    if not form.is_valid():
        return {}
    project = membership.project
    try:
        forecast = forecast_of(project, form.goal, errors)
    except FinishRefused as refused:
        return {"refused": str(refused), "people_err": isinstance(refused, PeopleErr)}
    with_cost = membership.can(Ability.SETTINGS_READ)
    return {
        "goal": words.goal_words(form.goal, project.asks),
        "rare": words.rare_classes(project, form.goal),
        "figures": words.figures(project, forecast, pace, with_cost=with_cost),
        "basis": words.basis(forecast, pace),
        "classes": words.class_rows(project, forecast),
        "classes_left": max(0, len(forecast.classes) - words.CLASSES_SHOWN),
        "curve": error_curve(forecast, form.goal.error),
    }


def _state(
    membership: Membership, form: GoalForm, started: Finish | None, progress: PoolProgress, now: datetime.datetime
) -> dict[str, Any]:
    """Return the started goal, its audits and the certificates, the newest first."""
    project = membership.project
    running, audits = started is not None and started.running, audits_of(project)
    last = project.batches.current() if running else None
    is_over = last is not None and last.state == Batch.State.DONE and final().filter(pk=last.pk).exists()
    return {
        "running": running,
        "same": running and form.is_valid() and form.goal == Goal.of(started),
        "stage": words.stage(audits, progress, is_over=is_over),
        "one_more": words.one_more(need_one_more(project)) if running else "",
        "started": started
        and {
            "goal": words.goal_words(Goal.of(started), project.asks),
            "by": started.started_by,
            "at": started.started_at,
        },
        "audits": words.audit_rows(audits),
        "certificates": [words.certificate_row(project, each) for each in certificates_of(project)],
    }
