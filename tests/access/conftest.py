"""The world in which the addresses are tried. It is made once for a file; what a test changes is undone."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from access.world import World
from django.db import transaction
from django.test import override_settings


@pytest.fixture(scope="module")
def made(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Path]]:
    folder = tmp_path_factory.mktemp("world")
    with django_db_blocker.unblock(), transaction.atomic():
        with override_settings(DATA_DIR=folder, MEDIA_ROOT=folder / "media"):
            world = World()
        yield world, folder
        transaction.set_rollback(True)


@pytest.fixture
def world(made: tuple[World, Path], db: None, data_dir: Path) -> World:
    world, folder = made
    copytree(folder, data_dir, dirs_exist_ok=True)
    return world
