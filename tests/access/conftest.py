"""The world in which the addresses are tried."""

from typing import Any

import pytest
from access.world import World


@pytest.fixture
def world(db: Any) -> World:
    return World()
