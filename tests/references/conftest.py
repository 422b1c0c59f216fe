"""A bucket on this machine, which the operator allows."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from buckets import Store
from kept import running_store

from labeling.intake.watching import changing
from labeling.outside.references import fetching


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store(tmp_path_factory.mktemp("s3")) as made:
        yield made


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let people wait for as long as a busy machine takes."""
    monkeypatch.setattr(fetching.FOR_PEOPLE, "seconds", 60)
    monkeypatch.setattr(changing.TESTS, "seconds", 60)
