"""Registers a model that was trained elsewhere as a version of a project."""

from __future__ import annotations

import tempfile
import zipfile
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from labeling.intake import registering
from labeling.loop.step import Step
from labeling.management.arguments import project_named
from labeling.models import Job, Project, Registration
from labeling.models.jobs import worker_name
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker

CHUNK = 1 << 20


class Command(BaseCommand):
    help = (
        "Register a model that was trained elsewhere: a folder or zip with `manifest.json` and `model.onnx`, the files "
        "of a version of another project, or a graph of `export_model`. It is measured, and picks the next batches if "
        "it is not worse than the version before it. ONNX needs `scripts/setup.sh requirements-onnx.txt`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("path", type=Path, help="The file or folder.")

    def handle(self, *args: Any, slug: str, path: Path, **options: Any) -> None:
        project = project_named(slug)
        try:
            with _opened(path.resolve()) as file:
                registration = self._receive(project, path.resolve().name, file)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}.") from error
        job = registration.job
        assert job is not None
        if Job.objects.take(job, worker_name(), timezone.now()):
            Worker(run_step).execute(Step(job, gives_way=False))
        registration.refresh_from_db()
        if registration.state == Registration.State.FAILED:
            raise CommandError(f"{registration.name}: {registration.reason}")
        if registration.version is None:
            self.stdout.write("A training is running. A worker registers the model after it.")
            return
        version = registration.version
        passed = (
            "held back: it is worse than the version before it" if version.held_back else "it picks the next batches"
        )
        self.stdout.write(f"{registration.name}: version {version.number}, {passed}")

    def _receive(self, project: Project, name: str, file: IO[bytes]) -> Registration:
        try:
            return registering.receive(
                project=project, user=None, name=name, chunks=iter(lambda: file.read(CHUNK), b"")
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except registering.RegisterRefused as error:
            raise CommandError(str(error)) from error


def _opened(path: Path) -> IO[bytes]:
    """Open the file; of a folder, a zip of its files."""
    if not path.is_dir():
        return path.open("rb")
    packed = tempfile.TemporaryFile()  # noqa: SIM115  closed by the caller
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(path.iterdir()):
            if file.is_file():
                archive.write(file, file.name)
    packed.seek(0)
    return packed
