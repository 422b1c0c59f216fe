"""The project that the tests of a file share, and the size of its batches."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from unittest.mock import patch

import pytest

from labeling.finishing import forecasts, goal
from labeling.models import Project


@pytest.fixture(autouse=True, scope="module")
def whole_batches() -> Iterator[None]:
    """Let batches have the project's size under a goal: 1 % of these small pools are too few draws to look at."""
    with patch.object(goal, "STEP_SHARE", 1):
        yield


@pytest.fixture
def project(made: Project, once: Path, data_dir: Path) -> Project:
    """Return the project of the file's tests, `made` once, with its files in the test's own folder."""
    forecasts.sample_of.cache_clear()
    copytree(once, data_dir, dirs_exist_ok=True)
    return Project.objects.get(pk=made.pk)
