"""Fixtures with the two projects of `world.py`, created once for each file. Changes of a test are rolled back."""

from pathlib import Path
from shutil import copytree

import pytest
from access.world import World


@pytest.fixture(scope="module")
def made(once: Path) -> World:
    return World()


@pytest.fixture
def world(made: World, once: Path, db: None, data_dir: Path) -> World:
    copytree(once, data_dir, dirs_exist_ok=True)
    return made
