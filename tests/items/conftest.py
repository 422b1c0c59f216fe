"""Fixtures for tests of items."""

from pathlib import Path

import pytest
from mixture import mixture

from labeling.models import Project


@pytest.fixture(scope="module")
def mixed(once: Path) -> Project:
    return mixture()


@pytest.fixture
def project(mixed: Project) -> Project:
    """Return the project of `mixture`, which is created once a file."""
    return Project.objects.get(pk=mixed.pk)
