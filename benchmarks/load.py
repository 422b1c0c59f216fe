"""People who claim and answer over HTTP, each a process with one connection that stays open: a load for a server.

How a server is asked for tasks and sent answers is a `Client`; all else is the same for each.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

WARM_UP_SECONDS = 2.0

Send = Callable[[str, str, Any], Any]
"""Sends a request of this method, path and body, and returns the parsed reply; a failure ends the benchmark."""


class Client(Protocol):
    """One person's way to a server. It is sent to a process of its own."""

    @property
    def port(self) -> int: ...

    @property
    def token(self) -> str: ...

    def claim(self, send: Send, count: int) -> Sequence[Any]:
        """Up to `count` tasks, by one request."""

    def submit(self, send: Send, tasks: Sequence[Any]) -> None:
        """An answer to each of the tasks, by one request."""


class Load(NamedTuple):
    """So many people, so many tasks a request; `pause` seconds between a person's answers."""

    name: str
    people: int
    count: int
    pause: float = 0.0


class Times(NamedTuple):
    """Seconds of each request, and labels that were accepted."""

    claims: list[float]
    submits: list[float]
    labels: int


def connect(client: Client) -> Send:
    """A connection that stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=120)
    headers = {"Authorization": f"Token {client.token}", "Content-Type": "application/json"}

    def send(method: str, path: str, body: Any) -> Any:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status not in (200, 201):
            raise SystemExit(f"{path} answered {reply.status}: {text[:300]!r}")
        return json.loads(text)

    return send


class Failed(Exception):
    """A person could not go on, for the reason given. (Nobody would hear of a process of a pool that exits.)"""


def label(client: Client, load: Load, start: float, seconds: float) -> Times:
    """One person's work. Requests of the warm-up are not counted. Raises `Failed`."""
    try:
        return _label(client, load, start, seconds)
    except SystemExit as end:
        raise Failed(end.code) from None


def _label(client: Client, load: Load, start: float, seconds: float) -> Times:
    send = connect(client)
    counted = Times([], [], 0)
    labels = 0
    time.sleep(max(0.0, start - time.time()))
    measured_from = start + WARM_UP_SECONDS
    while time.time() < measured_from + seconds:
        began, clock = time.time(), time.perf_counter()
        tasks = client.claim(send, load.count)
        claim_took = time.perf_counter() - clock
        time.sleep(load.pause)
        clock = time.perf_counter()
        client.submit(send, tasks)
        if began >= measured_from:
            counted.claims.append(claim_took)
            counted.submits.append(time.perf_counter() - clock)
            labels += len(tasks)
    return counted._replace(labels=labels)


def run(clients: Sequence[Client], load: Load, seconds: float) -> dict[str, Any]:
    """All people at once; their times together."""
    start = time.time() + 0.5 + load.people / 50
    with multiprocessing.get_context("fork").Pool(load.people) as pool:
        work = [(client, load, start + i * load.pause / load.people, seconds) for i, client in enumerate(clients)]
        try:
            times = pool.starmap(label, work[: load.people], chunksize=1)
        except Failed as error:
            raise SystemExit(str(error)) from None
    result: dict[str, Any] = {**load._asdict(), "labels_per_second": sum(each.labels for each in times) / seconds}
    for name in ("claims", "submits"):
        result[name] = _milliseconds([took for each in times for took in getattr(each, name)])
    return result


def _milliseconds(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": 1000 * cuts[49], "p95": 1000 * cuts[94], "p99": 1000 * cuts[98], "max": 1000 * max(seconds)}
