"""Shows the status of a project."""

import datetime
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

import orjson
from django.core.management.base import BaseCommand
from django.utils import timezone

from labeling.insight.payoff import payoff_values
from labeling.insight.share_intervals import ENOUGH
from labeling.insight.status import status_of
from labeling.management.shared import project_named
from labeling.models import Batch, Job
from labeling.models.jobs import HEARTBEAT_SECONDS
from labeling.projects.quota import shown

# The parts of the project's storage.
PARTS = {
    "media": "media",
    "rows": "in the database",
    "waiting": "waiting to be imported",
    "predictions": "predictions",
}
PUT_OFF = "{step}, to be tried again at {retry_at:%H:%M:%S} UTC: {reason}"
# The most batches and models shown, the newest; --json has all of them.
SHOWN = 10


class Command(BaseCommand):
    help = "Show the state of a project: items, the current batch, earlier batches, and the accuracy of the models."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("--json", action="store_true", help="Print all of it as one JSON object, for programs.")

    def handle(self, *args: Any, slug: str, json: bool, **options: Any) -> None:
        project = project_named(slug)
        status = status_of(project)
        if json:
            status["payoff"] = payoff_values(project, timezone.now())
            self.stdout.write(orjson.dumps(status, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode())
        else:
            self.stdout.write("\n".join(describe(status)))


def describe(status: dict[str, Any]) -> Iterable[str]:
    """Return the status as lines of text."""
    yield f"{status['project']}  {status['name']}: {status['kind']}, {status['question']}, loop {status['loop']}"
    yield ""
    facts = [
        ("Items", _items(status["items"])),
        ("Answers", "{answers:,}, and {skips:,} skips; {flagged:,} flagged".format_map(status["annotations"])),
        ("Batch", _batch(status)),
        ("Step", _step(status["step"])),
        ("Files", _files(status["storage"])),
        *(("Failed", f"{failure['step']}: {failure['reason']}") for failure in status["failures"]),
        *(("Put off", PUT_OFF.format_map(each)) for each in status["put_off"]),
        *(("Import", _import(each)) for each in status["imports"][:3]),
    ]
    yield from (f"{label:<9}{text}" for label, text in facts)
    if status["batches"]:
        yield ""
        yield from _table(
            ["batch", "state", "size", "labeled", "no label", "control", "picked by", "trained"],
            [_batch_row(batch) for batch in status["batches"][-SHOWN:]],
        )
    if status["models"]:
        yield ""
        yield from _table(
            ["model", "labels", "right on control", "on all control items so far", "trained in", ""],
            [_model_row(model, status["model_in_use"]) for model in status["models"][-SHOWN:]],
        )


def _items(items: dict[str, int]) -> str:
    if not items["total"]:
        return "none yet: add some with `import_items`"
    text = (
        f"{items['total']:,}: {items['labeled']:,} labeled, {items['skipped']:,} answered without a label, "
        f"{items['unlabeled']:,} left"
    )
    waiting = items["total"] - items["encoded"] - items["unreadable"]
    if waiting:
        text += f", {waiting:,} to be encoded"
    if items["unreadable"]:
        text += f", {items['unreadable']:,} unreadable"
    return text


def _batch(status: dict[str, Any]) -> str:
    batch = status["batch"]
    if batch is None:
        return "none under way"
    text = f"{batch['number']} is {batch['state']}"
    if batch["state"] == Batch.State.OPEN:
        text += f": {batch['answered']:,} of {batch['size']:,} answered, {batch['leased']:,} with annotators"
    return f"{text}: {batch['reason']}" if batch["state"] == Batch.State.FAILED else text


def _step(step: dict[str, Any] | None) -> str:
    if step is None:
        return "nothing to do in the background"
    if step["state"] != Job.State.RUNNING:
        return f"{step['kind']} waits for a worker"
    left = step["seconds_until_open"]
    silent = (timezone.now() - step["heartbeat_at"]).total_seconds() if step["heartbeat_at"] else 0.0
    if silent > 3 * HEARTBEAT_SECONDS:
        return f"{step['phase'] or step['kind']}: no sign of its worker for {silent:.0f} s; is one running?"
    then = "" if left is None else f", next batch in about {left:.0f} s"
    return f"{step['phase'] or step['kind']}, {step['share']:.0%}{then}"


def _files(use: dict[str, int]) -> str:
    parts = ", ".join(f"{shown(use[name])} {meaning}" for name, meaning in PARTS.items())
    return f"{shown(use['total'])} of {shown(use['limit'])}: {parts}"


def _import(each: dict[str, Any]) -> str:
    text = f"{each['name']}, {each['state']}: {each['accepted']:,} imported, {each['rejected']:,} rejected"
    return f"{text}. {each['reason']}" if each["reason"] else text


def _batch_row(batch: dict[str, Any]) -> list[str]:
    numbers = [f"{batch[name]:,}" for name in ("size", "labeled", "skipped", "control")]
    picked_by = f"model {batch['selected_by']}" if batch["selected_by"] else "chance"
    trained = f"model {batch['model_version']}" if batch["model_version"] else "–"
    return [str(batch["number"]), batch["state"], *numbers, picked_by if batch["size"] else "–", trained]


def _model_row(model: dict[str, Any], in_use: int | None) -> list[str]:
    return [
        str(model["version"]),
        f"{model['labels']:,}",
        _share(model["metrics"].get("control")),
        _share(model["control_now"]),
        str(datetime.timedelta(seconds=round(model["seconds"]))),
        "in use" if model["version"] == in_use else "held back" if model["held_back"] else "",
    ]


def _share(measured: dict[str, Any] | None) -> str:
    """Return a share with its 95 % interval, in words."""
    if not measured or not measured["n"]:
        return "–"
    if measured["n"] < ENOUGH:
        return f"not enough data yet to tell (n = {measured['n']})"
    return f"{measured['accuracy']:.1%} ({measured['low']:.1%} – {measured['high']:.1%}, n = {measured['n']:,})"


def _table(head: list[str], rows: list[list[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
