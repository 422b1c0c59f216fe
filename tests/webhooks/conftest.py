"""A project whose webhook leads to a receiver on this machine."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from factories import make_project
from receivers import Receiver, receiver

from labeling.models import Project


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def project(db: None) -> Project:
    return make_project()


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as made:
        yield made
