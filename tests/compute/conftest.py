"""A cluster of two nodes for a file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from benchmarks.ray_nodes import Nodes
from config.settings import RAY_ENVIRONMENT


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    # Sockets lie in it, whose paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    cluster = Nodes(folder)
    with pytest.MonkeyPatch.context() as patch, override_settings(RAY_ADDRESS=cluster.address):
        for name, value in RAY_ENVIRONMENT.items():
            patch.setenv(name, value)
        try:
            cluster.start_head()
            cluster.start_another()
            yield cluster
        finally:
            while cluster.running:
                cluster.kill_last()
            shutil.rmtree(folder, ignore_errors=True)
