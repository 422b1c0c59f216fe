"""Runs background steps: import, encode, train, embed, cluster, select."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import torch
from django.conf import settings
from django.core.management.base import BaseCommand

from labeling.pipeline.steps import run_step
from labeling.worker import Worker


class Command(BaseCommand):
    help = (
        "Run the loop's background steps. Start one or more beside the web server; a worker that dies can be started "
        "again at any time, and goes on where it was. Ctrl-C ends it after the present step, a second one at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--drain", action="store_true", help="Stop when nothing is left to do.")

    def handle(self, *args: Any, drain: bool, **options: Any) -> None:
        if settings.WORKER_THREADS:
            torch.set_num_threads(settings.WORKER_THREADS)
        Worker(run_step, drain=drain).run()
