"""Finishes a project: the forecast for a goal, its start and its stop."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from labeling.finishing import goal as goals
from labeling.finishing.forecasts import Goal
from labeling.finishing.goal import FinishRefused
from labeling.finishing.people import errors_of
from labeling.finishing.state import certificates_of, finish_values
from labeling.management.arguments import project_named
from labeling.models import Finish, Project


class Command(BaseCommand):
    help = "Forecast what a label for each item takes, at most a share of them wrong; start or stop this goal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("--error", type=float, metavar="SHARE", help="The largest share of wrong labels; 0.02.")
        parser.add_argument(
            "--confidence", type=float, metavar="SHARE", help="The probability with which no proof is false; 0.95."
        )
        parser.add_argument("--by-class", action="store_true", default=None, help="State the error for each class.")
        parser.add_argument(
            "--within", type=int, metavar="POINTS", help="The points by which a right score may differ; 0."
        )
        change = parser.add_mutually_exclusive_group()
        change.add_argument("--start", action="store_true", help="Start the goal.")
        change.add_argument("--stop", action="store_true", help="Stop the goal. Certificates stay.")
        parser.add_argument("--json", action="store_true", help="Print all of it as one JSON object, for programs.")

    def handle(self, *args: Any, slug: str, start: bool, stop: bool, json: bool, **options: Any) -> None:
        project = project_named(slug)
        given = {name: options[name] for name in asdict(Goal()) if options[name] is not None}
        goal = replace(Goal.of(Finish.objects.filter(project=project).first()), **given)
        try:
            if start:
                goals.start(project, None, **asdict(goal))
            if stop:
                goals.stop(project)
            goals.check(project, asdict(goal), errors_of(project))
        except FinishRefused as refused:
            raise CommandError(str(refused)) from None
        values = finish_values(project, goal, timezone.now())
        if json:
            self.stdout.write(orjson.dumps(values, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode())
        else:
            self.stdout.write("\n".join(_described(project, goal, values)))


def _described(project: Project, goal: Goal, values: dict[str, Any]) -> Iterable[str]:
    progress, forecast = values["progress"], values["forecast"]
    yield f"Goal       at most {goal.error:.1%} wrong, confidence {goal.confidence:.1%}: {_state(goal, values)}"
    yield (
        f"Labels     {progress['labeled']:,} by people, {progress['certified']:,} certified, "
        f"{progress['left']:,} items without one"
    )
    if values["need_one_more"]:
        yield f"One more   person is needed for {values['need_one_more']:,} items: all others have answered them"
    if forecast:
        labels, left, wrong = (forecast[name] for name in ("labels", "left", "error"))
        yield f"Model      about {labels:,} labels of {left:,} items, {wrong:.1%} wrong"
        yield f"Audit      about {forecast['audit']:,} answers"
        yield f"People     look at about {forecast['asked']:,} items, {forecast['hours']:.1f} hours"
        yield f"By hand    {forecast['hours_by_hand']:.1f} hours"
    else:
        yield f"Forecast   none: {values['refused']}"
    for audit in values["audits"][:5]:
        yield f"Audit {audit['attempt']:<5}{audit['answered']:,} of {audit['asked']:,} answered, {audit['state']}"
    for each in certificates_of(project)[:5]:
        state = f"suspended: {each.suspended_for}" if each.suspended_at else "stands"
        about = " about each class" if each.audit.each_class else ""
        yield f"Proof {each.number:<5}at most {each.most_wrong:,} of {each.labels:,} labels wrong{about}, {state}"


def _state(goal: Goal, values: dict[str, Any]) -> str:
    if values["goal"] != asdict(goal):
        return "not started"
    return "running" if values["running"] else "stopped"
