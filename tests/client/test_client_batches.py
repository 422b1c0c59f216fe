"""Test that the client lists batches and waits until one is done, has failed, or took too long."""

import asyncio
from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_open_batch

from labeling.models import Batch, Project
from marginalia_client import AsyncMarginalia, Failed, Marginalia, TimedOut, running


class Clock:
    """The client's clock: each time it sleeps, the next thing happens."""

    def __init__(self, *happenings: Any) -> None:
        self.slept: list[float] = []
        self._happenings = list(happenings)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._happenings:
            self._happenings.pop(0)()


def becomes(number: int, state: str, **fields: Any) -> Any:
    return lambda: Batch.objects.filter(number=number).update(state=state, **fields)


@pytest.fixture
def batch(project: Project) -> Batch:
    return make_open_batch(project, make_items(project, 5))


def test_batches_are_listed_the_newest_first_and_the_current_one_is_the_first_that_is_not_done(
    server: Marginalia, project: Project
) -> None:
    batches = server.project("digits").batches
    assert batches.current() is None
    make_open_batch(project, make_items(project, 5))
    make_open_batch(project, make_items(project, 3, first=5), number=2)
    listed = [(each.number, each.state, each.size, each.remaining) for each in batches.list()]
    assert listed == [(2, "open", 3, 3), (1, "open", 5, 5)]
    assert batches.get(1).fields["strategy"] == "seed"
    for number in (1, 2):
        current = batches.current()
        assert current
        assert current.number == number
        becomes(number, "done")()
    last = batches.current()
    assert last
    assert (last.number, last.state) == (2, "done")


def test_it_waits_through_all_states(server: Marginalia, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(lambda: make_open_batch(project, make_items(project, 5)), becomes(1, "training"), becomes(1, "done"))
    monkeypatch.setattr(running, "time", clock)
    done = server.project("digits").batches.wait_done(progress=True)
    assert (done.number, done.state) == (1, "done")
    assert clock.slept == sorted(clock.slept)
    assert len(set(clock.slept)) == 3, "each look comes later after the one before"


def test_it_waits_for_a_batch_to_come(server: Marginalia, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    make_open_batch(project, make_items(project, 5))
    becomes(1, "done")()
    comes = [lambda: make_open_batch(project, make_items(project, 3, first=5), number=2), becomes(2, "done")]
    monkeypatch.setattr(running, "time", Clock(*comes))
    batches = server.project("digits").batches
    assert batches.wait_open(2).state == "open"
    assert batches.wait_done(2).number == 2
    assert batches.wait_done(1).number == 1
    assert batches.wait_done().number == 2


def test_a_batch_that_is_trained_is_not_open(
    server: Marginalia, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A labeled import, for example, is a batch that nobody answers."""
    make_open_batch(project, make_items(project, 5))
    becomes(1, "training")()
    comes = [becomes(1, "done"), lambda: make_open_batch(project, make_items(project, 3, first=5), number=2)]
    monkeypatch.setattr(running, "time", Clock(*comes))
    batches = server.project("digits").batches
    assert batches.wait_open().number == 2
    becomes(2, "done")()
    Project.objects.update(nothing_left_at=timezone.now())
    with pytest.raises(Failed, match=r"^No further batch opens: no item is left\.$"):
        batches.wait_open()


def test_a_failed_batch_says_why_and_a_time_limit_ends_the_wait(
    live_server: Any, server: Marginalia, batch: Batch, token: str
) -> None:
    batches = server.project("digits").batches
    with pytest.raises(TimedOut, match=r"^Batch 1 was not done after 0\.3 seconds\.$"):
        batches.wait_done(1, timeout=0.3)

    async def waits() -> tuple[list[int], Any]:
        async with AsyncMarginalia(live_server.url, token) as server:
            batches = server.project("digits").batches
            with pytest.raises(TimedOut):
                await batches.wait_done(timeout=0.3)
            return [each.number async for each in batches.list()], await batches.current()

    numbers, current = asyncio.run(waits())
    assert numbers == [1]
    assert current.size == 5
    becomes(1, "failed", reason="The disk is full.")()
    for wait in (batches.wait_done, batches.wait_open):
        with pytest.raises(Failed, match=r"^Batch 1 failed: The disk is full\.$"):
            wait()
