"""Hosts with a data folder each, simulated by one process."""

import shutil
from pathlib import Path
from typing import Any

import fsspec

from labeling.models import Job
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker


class Hosts:
    """Three hosts that share a database and a store; the process acts as one of them at a time."""

    def __init__(self, folder: Path, settings: Any, url: str) -> None:
        self._settings, self.url = settings, url
        settings.OBJECT_STORE = settings.MODEL_STORE = url
        self.folders = [folder / name for name in "abc"]
        self.turn = 0
        self.go(0)

    def go(self, number: int) -> None:
        folder = self.folders[number]
        folder.mkdir(exist_ok=True)
        self._settings.DATA_DIR, self._settings.MEDIA_ROOT = folder, folder / "media"

    def next(self) -> None:
        self.turn = (self.turn + 1) % len(self.folders)
        self.go(self.turn)

    def lose(self, number: int) -> None:
        shutil.rmtree(self.folders[number], ignore_errors=True)
        self.go(number)

    def stored(self, name: str = "") -> list[str]:
        """Return the names below this one in the store."""
        system, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        return [path.removeprefix(root).lstrip("/") for path in system.find(f"{root}/{name}".rstrip("/"))]


def drain(hosts: Hosts | None = None) -> None:
    """Run the due steps, each on another host."""
    worker = Worker(run_step)
    while True:
        if hosts:
            hosts.next()
        if not worker.run_next():
            break
    left = Job.objects.exclude(state=Job.State.DONE).first()
    assert left is None, f"{left} {left.state} {left.reason}"
