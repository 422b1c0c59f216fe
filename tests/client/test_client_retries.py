"""Test that requests are repeated when the network fails, if nothing can happen twice by that, also answers to
tasks.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from factories import make_items, make_open_batch
from unreliable import BUSY, CUTS, FINE, LOSES, Unreliable, unreliable

from labeling.models import Annotation, Project, Role
from marginalia_client import Added, AsyncMarginalia, Marginalia, ServerAway, rows, steps
from marginalia_client.steps import Connection, Lost, Pause, Reply, Request


@pytest.fixture
def network(live_server: Any) -> Iterator[Unreliable]:
    with unreliable(live_server.url) as network:
        yield network


@pytest.fixture
def server(network: Unreliable, token: str) -> Iterator[Marginalia]:
    with Marginalia(network.url, token) as server:
        yield server


def texts(n: int) -> list[dict[str, str]]:
    return [{"id": f"text-{number}", "text": f"Text number {number}."} for number in range(n)]


def test_what_a_lost_request_added_counts_as_added(
    server: Marginalia, network: Unreliable, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "REQUEST_BYTES", 130)  # three rows a request
    network.faults = [FINE, BUSY, LOSES, CUTS, FINE]
    assert server.project("digits").items.add(texts(9)) == Added(added=9)
    assert network.seen == ["POST fine", "POST busy", "POST loses", "POST cuts", "POST fine", "POST fine"]
    assert server.retries == 3
    assert project.items.count() == 9
    assert project.imports.count() == 3


def test_a_download_begins_again(server: Marginalia, network: Unreliable, project: Project, tmp_path: Path) -> None:
    make_items(project, 20, label=1)
    network.faults = [CUTS, BUSY, LOSES]
    labels = server.project("digits").labels()
    content = labels.save(tmp_path / "labels.csv").read_text()
    network.faults = []
    assert content == labels.save(tmp_path / "again.csv").read_text()
    network.faults = [CUTS]
    assert len(labels.to_pandas()) == len(content.splitlines()) - 1


def test_a_request_that_would_do_more_the_second_time_is_not_repeated(
    live_server: Any, network: Unreliable, admin_user: Any
) -> None:
    from knox.models import AuthToken

    with Marginalia(network.url, AuthToken.objects.create(admin_user)[1]) as server:
        for fault in (LOSES, BUSY):
            network.faults = [fault]
            with pytest.raises(ServerAway, match=r"The request may have taken effect: it was not repeated\.$"):
                server.create_project(f"owls-{fault}", kind="text", classes=["a", "b"])
    assert list(Project.objects.filter(slug__startswith="owls").values_list("slug", flat=True)) == ["owls-loses"]


def test_a_long_download_is_repeated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the repeats begins with the first failure, which may come after minutes."""
    now = 1000.0
    monkeypatch.setattr(steps, "time", SimpleNamespace(monotonic=lambda: now))
    sending = Connection("http://labels.example.org", "token", 30).send(Request("GET", "projects/digits/export/"))
    next(sending)
    now = 2000.0
    for later in (0.0, 29.0):
        now = 2000.0 + later
        assert isinstance(sending.send(Lost("The connection ended.", sent=True)), Pause)
        assert isinstance(next(sending), Request)
    now = 2030.0
    with pytest.raises(ServerAway, match="does not answer"):
        sending.send(Lost("The connection ended.", sent=True))


def test_the_servers_own_time_is_kept() -> None:
    sending = Connection("http://labels.example.org", "token", 30).send(Request("POST", "x", repeatable=False))
    next(sending)
    assert sending.send(Reply(429, {"retry-after": "7"}, b"")) == Pause(7.0)
    next(sending)
    with pytest.raises(ServerAway, match="answers 429"):
        sending.send(Reply(429, {"retry-after": "31"}, b""))


def test_it_ends_after_a_time_with_the_servers_sentence_and_the_same_awaited(
    network: Unreliable, project: Project, token: str
) -> None:
    network.faults = [BUSY] * 1000
    with (
        Marginalia(network.url, token, retry_seconds=0.5) as server,
        pytest.raises(ServerAway, match=r"^The server at http://127.* answers 503: The database rests\.$"),
    ):
        server.project("digits").settings()
    assert server.retries >= 2
    network.faults = [LOSES, BUSY, CUTS, FINE, CUTS]

    async def adds() -> tuple[Added, list[str], int]:
        async with AsyncMarginalia(network.url, token) as server:
            items = server.project("digits").items
            return await items.add(texts(3)), [each.external_id async for each in items], server.retries

    added, names, retries = asyncio.run(adds())
    assert (added, sorted(names), retries) == (Added(added=3), ["text-0", "text-1", "text-2"], 4)


def test_tasks_are_answered_once_though_responses_are_lost(
    live_server: Any, project: Project, token_of: Callable[[str], str]
) -> None:
    make_open_batch(project, make_items(project, 20))
    with unreliable(live_server.url) as network, Marginalia(network.url, token_of(Role.ANNOTATOR)) as server:
        tasks = server.project("digits").tasks
        network.faults = [LOSES]
        claim = tasks.claim(4)
        assert (len(claim.tasks), claim.remaining) == (4, 20)
        first, second, third, _ = [task["id"] for task in claim.tasks]
        network.faults = [CUTS]
        done = tasks.submit([{"task": first, "value": "7", "seconds": 1.5}, {"task": second, "value": "owl"}])
        assert len(done.accepted) == 1
        assert [each["code"] for each in done.rejected] == ["invalid"]
        network.faults = [LOSES, LOSES]
        assert len(tasks.skip(third, "unclear", seconds=2).accepted) == 1
        assert Annotation.objects.count() == 2
        assert tasks.undo(done.accepted[0])
        assert tasks.release() == 3
        assert server.project("digits").progress()["remaining"] == 19
