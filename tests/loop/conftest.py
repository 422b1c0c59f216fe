"""Fixtures of the loop's tests. Networks train in this process, with one thread."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from django.test import override_settings

from benchmarks.ray_nodes import Nodes
from config.settings import RAY_ENVIRONMENT
from labeling.steps import baseline

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the trainings that estimate the effect of uniform labels, except in their own tests."""
    monkeypatch.setattr(baseline, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(baseline, "SHARE", 0.0)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Start a Ray cluster for a file, whose head is also a node."""
    # Sockets lie in it, whose paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    cluster = Nodes(folder)
    with pytest.MonkeyPatch.context() as patch, override_settings(RAY_ADDRESS=cluster.address):
        for name, value in RAY_ENVIRONMENT.items():
            patch.setenv(name, value)
        try:
            cluster.start_head()
            yield cluster
        finally:
            while cluster.running:
                cluster.kill_last()
            shutil.rmtree(folder, ignore_errors=True)
