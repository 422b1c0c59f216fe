"""Simulates annotators over HTTP, so that users can watch the loop run."""

import datetime
import logging
import signal
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from knox.models import AuthToken
from tqdm import tqdm

from demo.simulation import Game, Simulation, SimulationError
from labeling.management.shared import project_named
from labeling.models import Batch, Project, Role
from labeling.projects.people.members import get_or_create_user, set_role

# The tokens of a killed process expire within a day.
TOKEN_LIFE = datetime.timedelta(days=1)
BAR = "{desc} |{bar}| {n_fmt} of {total_fmt} answered"


class Command(BaseCommand):
    help = (
        "Simulate annotators over HTTP. They answer with each item's known answer (imported as `truth`) until the "
        "given number of batches is done, counted from the current one. Web and worker must be running. Ctrl-C "
        "ends it: held "
        "tasks go back to the queue and the tokens are deleted; the accounts SLUG-sim-1, -2, … stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("--annotators", type=int, default=4, metavar="N", help="How many at once. Default: 4.")
        parser.add_argument("--batches", type=int, default=1, metavar="N", help="How many batches. Default: 1.")
        for name, meaning in (
            ("error", "answers that are wrong"),
            ("skip", "tasks that are skipped"),
            ("undo", "answers that are taken back and given again"),
        ):
            parser.add_argument(
                f"--{name}-rate", type=float, default=0.0, metavar="P", help=f"Share of {meaning}, 0 to 1. Default: 0."
            )
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="For all that is random. Default: 0.")
        parser.add_argument(
            "--url", default=f"http://127.0.0.1:{settings.PORT}", help="The server. Default: %(default)s."
        )

    def run_from_argv(self, argv: list[str]) -> None:
        # A shell starts background commands with SIGINT ignored; here SIGINT always ends the simulation.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        super().run_from_argv(argv)

    def handle(self, *args: Any, slug: str, annotators: int, batches: int, **options: Any) -> None:
        project = project_named(slug)
        if options["verbosity"] > 1:
            logging.getLogger("httpx").setLevel(logging.INFO)  # httpx logs every request
        rates = {name: options[name] for name in ("error_rate", "skip_rate", "undo_rate")}
        _check(project, annotators, batches, rates, options["seed"])
        with _tokens(project, annotators) as tokens, tqdm(bar_format=BAR, disable=None, leave=False) as bar:
            game = Game(url=options["url"], slug=slug, tokens=tokens, batches=batches, seed=options["seed"], **rates)
            display = Display(self, project, bar)
            try:
                tally = Simulation(game, project, display).play()
            except SimulationError as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt:
                raise CommandError("Stopped. Held tasks were given back.", returncode=130) from None
        if display.batches < batches:
            self.stdout.write("All items of the project are labeled or skipped: no further batch follows.")
        counts = ", ".join(f"{tally[name]:,} {name}" for name in ("answers", "skips", "undone", "refused", "retries"))
        self.stdout.write(f"Batches done: {display.batches}. {counts}.")


def _check(project: Project, annotators: int, batches: int, rates: dict[str, float], seed: int) -> None:
    """Raise `CommandError`, with the wrong option or the missing data, if the simulation cannot run."""
    if not 1 <= annotators <= 200:
        raise CommandError("annotators: this must be a number from 1 to 200.")
    if batches < 1:
        raise CommandError("batches: this must be 1 or more.")
    if seed < 0:
        raise CommandError("seed: this must not be negative.")
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise CommandError(f"{name}: this must be a share from 0 to 1.")
    if rates["undo_rate"] == 1:
        raise CommandError("undo_rate: an annotator who takes back every answer never finishes. Give less than 1.")
    active = project.batches.active().first()
    overlap = max(project.overlap, active.overlap if active else 1)
    if annotators < overlap:
        raise CommandError(f"annotators: each task needs answers of {overlap} people, so let {overlap} or more play.")
    if project.items.exists() and not project.items.filter(truth__isnull=False).exists():
        raise CommandError("No item has a known answer: import items with a `truth`, or label them by hand.")


@contextmanager
def _tokens(project: Project, annotators: int) -> Iterator[list[str]]:
    """Create a token for each annotator, and missing accounts; delete the tokens at the end."""
    made = []
    try:
        for number in range(1, annotators + 1):
            user, _ = get_or_create_user(f"{project.slug}-sim-{number}")
            set_role(project=project, user=user, role=Role.ANNOTATOR)
            made.append(AuthToken.objects.create(user, expiry=TOKEN_LIFE))
        yield [secret for _, secret in made]
    finally:
        AuthToken.objects.filter(pk__in=[token.pk for token, _ in made]).delete()


class Display:
    """Shows the progress, with a bar on a terminal and a line for each batch."""

    def __init__(self, command: BaseCommand, project: Project, bar: tqdm) -> None:
        self.batches = 0
        self._command = command
        self._project = project
        self._bar = bar

    def progress(self, progress: dict[str, Any]) -> None:
        answered = progress["size"] - progress["remaining"]
        if progress["size"] != self._bar.total or answered < self._bar.n:
            self._bar.reset(total=progress["size"])
        phase = "labeling" if progress["state"] == Batch.State.OPEN else progress["phase"] or "waiting"
        left = "" if progress["seconds_left"] is None else f", {progress['seconds_left']} s left"
        self._bar.set_description_str(f"Batch {progress['batch'] or 1}: {phase}{left}", refresh=False)
        self._bar.n = answered
        self._bar.refresh()

    def batch_done(self, number: int) -> None:
        self.batches += 1
        batch = self._project.batches.select_related("model_version").get(number=number)
        seconds = ""
        if batch.completed_at and batch.done_at:
            seconds = f" {(batch.done_at - batch.completed_at).total_seconds():.1f} s after its last answer"
        self.note(f"Batch {number} ({batch.size:,} tasks) was done{seconds}; {_describe_version(batch)}.")

    def note(self, text: str) -> None:
        self._bar.clear()
        self._command.stdout.write(text)
        self._command.stdout.flush()


def _describe_version(batch: Batch) -> str:
    version = getattr(batch, "model_version", None)
    if version is None:
        return "nothing to learn from yet"
    control = version.metrics.get("control", {"n": 0})
    if not control["n"]:
        return f"model {version.number}, no control item to measure it on yet"
    return (
        f"model {version.number} is right on {control['accuracy']:.1%} of {control['n']} control items "
        f"({control['low']:.1%} – {control['high']:.1%})"
    )
