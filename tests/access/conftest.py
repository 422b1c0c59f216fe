"""The world in which the addresses are tried. It is made once for a file; what a test changes is undone."""

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
