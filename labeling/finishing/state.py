"""The state of a project's goal, its audits and its certificates, for pages and programs."""

import datetime
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from labeling.finishing.forecasts import forecast_of
from labeling.finishing.goal import FinishRefused, Goal
from labeling.finishing.people import PeopleErrors, errors_of
from labeling.finishing.progress import need_one_more, pool_progress
from labeling.insight.pace import Pace, pace_of
from labeling.insight.status import items_of
from labeling.models import Audit, AuditDraw, Certificate, Finish, Project

LISTED = 50
"""The most audits in a list."""


@dataclass(frozen=True, slots=True)
class AuditState:
    """An audit, the draws that tasks ask about, those of them with all their answers, and the name of its class; "" if
    the class is gone, None for an audit of all candidates.
    """

    audit: Audit
    asked: int
    answered: int
    class_name: str | None


def audits_of(project: Project) -> list[AuditState]:
    """Return the newest audits, at most `LISTED`. Takes two queries, three with audits of a class."""
    audits = list(project.audits.select_related("version").order_by("-pk")[:LISTED])
    draws = AuditDraw.objects.filter(audit__in=audits, is_decoy=False).values_list("audit")
    counts = draws.annotate(asked=Count("pk"), answered=Count("pk", filter=Q(task__outstanding=0)))
    by_audit = {audit: (asked, answered) for audit, asked, answered in counts}
    names = {None: None} | project.answer_names(each.of_class for each in audits if each.of_class is not None)
    return [AuditState(each, *by_audit.get(each.pk, (0, 0)), names.get(each.of_class, "")) for each in audits]


def certificates_of(project: Project) -> QuerySet[Certificate]:
    """Return the issued certificates, suspended ones included, the newest first."""
    return project.certificates.exclude(digest="").select_related("audit__version").order_by("-number")


def forecast_values(project: Project, goal: Goal, pace: Pace, errors: PeopleErrors) -> dict[str, Any]:
    """Return the forecast as plain values, for programs. Raises `FinishRefused`."""
    forecast = forecast_of(project, goal, errors)
    hours, hours_by_hand = forecast.seconds(pace) / 3600, forecast.seconds_by_hand(pace) / 3600
    names = project.answer_names(each.index for each in forecast.classes)
    return asdict(forecast) | {
        "asked": forecast.asked,
        "hours": hours,
        "hours_by_hand": hours_by_hand,
        "cost": None if project.hourly_cost is None else hours * float(project.hourly_cost),
        "currency": project.currency,
        "classes": [{**asdict(each), "name": names.get(each.index, "")} for each in forecast.classes],
    }


def finish_values(project: Project, goal: Goal, now: datetime.datetime) -> dict[str, Any]:
    """Return the forecast for a goal, the state of the goal that was started, and its audits, for a serializer."""
    started = Finish.objects.filter(project=project).select_related("started_by").first()
    pace, errors = pace_of(project, now), errors_of(project)
    values: dict[str, Any] = {
        "progress": pool_progress(project, items_of(project), pace, errors),
        "running": started is not None and started.running,
        "goal": started,
        "started_by": started and started.started_by and started.started_by.username,
        "started_at": started and started.started_at,
        "need_one_more": need_one_more(project),
        "forecast": None,
        "refused": "",
        "audits": audits_of(project),
    }
    try:
        values["forecast"] = forecast_values(project, goal, pace, errors)
    except FinishRefused as refused:
        values["refused"] = str(refused)
    return values
