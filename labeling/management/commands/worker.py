"""Runs the background steps."""

import datetime
import os
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

import torch
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from threadpoolctl import threadpool_limits

from config.serve import tell_ready
from labeling.intake import uploads
from labeling.intake.watching.changing import look_at_due
from labeling.labels.items import search
from labeling.labels.items.leftovers import Leftovers
from labeling.loop.signs import Signs
from labeling.models import BulkChange, Invitation, Job, Project
from labeling.observing import auditlog, metrics, traces
from labeling.observing.auditlog import sealing
from labeling.outgoing.datasets import erasing as datasets
from labeling.outgoing.predictions import remove_expired
from labeling.outside.mailing import delivering as mails
from labeling.outside.webhooks.delivering import EVERY_SECONDS, deliver
from labeling.projects import bulk
from labeling.projects.erasing_items import erase_items
from labeling.projects.erasing_projects import erase_projects
from labeling.queue import gold, removing
from labeling.steps.compute import compute
from labeling.steps.registry import run_step
from labeling.steps.running.lanes import Lanes, StepLimits
from labeling.steps.running.meanwhile import Meanwhile
from labeling.steps.running.running import Child
from labeling.steps.running.sweeps import Messenger, Recounts, refresh_statistics
from labeling.steps.running.worker import LOOK_AROUND_SECONDS, Worker
from labeling.storage.arrays import embedded

# The worker sweeps every few seconds; this leaves about half of the time to other writers.
INDEX_SECONDS = 1.5
CHANGE_SECONDS = 1.5
ERASE_SECONDS = 1.0


def tidy(now: datetime.datetime) -> None:
    """Delete expired data, end invitations whose author may no longer invite, and continue bulk changes and the search
    index.
    """
    remove_expired(now)
    Invitation.objects.end_without_author()
    removing.close_left_over()
    erase_items(now, forget=forget)
    erase_projects(now, ERASE_SECONDS)
    sealing.remove_expired_entries(now)
    sealing.seal_daily(now)
    bulk.carry_on(CHANGE_SECONDS)
    search.catch_up(INDEX_SECONDS)


def forget(project: Project, items: Sequence[int]) -> None:
    """Remove items from files that no row of theirs names."""
    uploads.remove_files_of_items(project, items)
    datasets.forget(project, items)
    embedded.forget(project, items)


def use_threads(threads: int) -> None:
    """Limit torch and BLAS to this number of threads."""
    torch.set_num_threads(threads)
    threadpool_limits(threads)


def _kinds(text: str, option: str) -> list[str]:
    """Parse a comma-separated list of kinds of steps. Raises `CommandError` for an unknown kind."""
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in list(Job.Kind):
            raise CommandError(f"{option}: {kind!r} is no kind of step. There are: {', '.join(sorted(Job.Kind))}.")
    return kinds


class Command(BaseCommand):
    help = (
        "Run the loop's background steps. Start one or more beside the web server; a restarted worker continues "
        "where the last one stopped. Ctrl-C ends it after the present steps, a second one at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--drain", action="store_true", help="Stop when nothing is left to do.")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--only", metavar="STEPS", help="Run steps of these kinds, with commas between them.")
        which.add_argument("--without", metavar="STEPS", help="Leave steps of these kinds to other workers.")

    def handle(self, *args: Any, drain: bool, only: str | None, without: str | None, **options: Any) -> None:
        left_out = _kinds(without or "", "--without")
        kinds = [kind for kind in _kinds(only or "", "--only") or Job.Kind if kind not in left_out]
        if settings.TRACES:
            try:
                traces.load()
            except traces.Missing as error:
                raise CommandError(str(error)) from error
        child = Child(run_step, kinds=kinds, prepare=compute.prepare, use_threads=use_threads, traced=settings.TRACES)
        limits = StepLimits.of(seconds=settings.STEP_MAX_SECONDS, megabytes=settings.STEP_MEMORY_MB)
        # One core is left to the web server. Threads that wait for a core spin: on a busy machine with two cores, two
        # threads trained twelve times slower than one.
        threads = settings.WORKER_THREADS or max(1, (os.cpu_count() or 1) - 1)
        # The lanes fork their processes, which must precede any thread.
        with (
            auditlog.acting("worker"),
            Lanes(child, most=settings.WORKER_STEPS, threads=threads, limits=limits) as lanes,
        ):
            if settings.WORKER_METRICS:
                try:
                    metrics.serve(settings.WORKER_METRICS)
                except OSError as error:
                    raise CommandError(f"WORKER_METRICS: {settings.WORKER_METRICS} cannot be used: {error}") from error
            leftovers = Leftovers()
            # In threads of their own: a mail server that hangs must not delay webhooks, and a database that is written
            # anew must not delay deadlines.
            with (
                Meanwhile(EVERY_SECONDS, Messenger()),
                Meanwhile(mails.EVERY_SECONDS, mails.deliver),
                Meanwhile(LOOK_AROUND_SECONDS, lambda: leftovers(timezone.now())),
            ):
                Worker(
                    run_step,
                    sweeps=[Signs(), tidy, gold.Watch(), Recounts(), refresh_statistics, look_at_due],
                    drain=drain,
                    kinds=kinds,
                    lanes=lanes,
                    when_ready=tell_ready,
                ).run()
            if drain:
                deliver()
                mails.deliver()
                while BulkChange.objects.due().exists():
                    bulk.carry_on(CHANGE_SECONDS)
                search.catch_up()
                erase_items(timezone.now(), forget=forget)
                leftovers(timezone.now())
