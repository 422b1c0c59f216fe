"""A bucket on this machine, which the operator allows."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import fsspec
import pytest
from buckets import Store
from s3 import s3_server

from labeling.intake.watching import changing
from labeling.outside.references import fetching


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    log = tmp_path_factory.mktemp("s3") / "log"
    with s3_server(log) as made:
        yield Store(made.environment["AWS_ENDPOINT_URL"], log, fsspec.filesystem("s3", use_listings_cache=False))


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let people wait for as long as a busy machine takes."""
    monkeypatch.setattr(fetching.FOR_PEOPLE, "seconds", 60)
    monkeypatch.setattr(changing.TESTS, "seconds", 60)
