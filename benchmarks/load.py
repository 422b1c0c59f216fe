"""A load for a server: people who claim and answer over HTTP, each a process with one open connection.

A `Client` defines how tasks are claimed and answers submitted.
"""

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
    """The requests of one person to a server. It is pickled to a process of its own."""

    @property
    def port(self) -> int: ...

    @property
    def token(self) -> str: ...

    def claim(self, send: Send, count: int) -> Sequence[Any]:
        """Claim up to `count` tasks, in one request."""

    def submit(self, send: Send, tasks: Sequence[Any]) -> None:
        """Answer each of the tasks, in one request."""


class Load(NamedTuple):
    """The number of people, of tasks per request, and the `pause` in seconds between a person's answers."""

    name: str
    people: int
    count: int
    pause: float = 0.0


class Times(NamedTuple):
    """The seconds of each request, and the number of accepted labels."""

    claims: list[float]
    submits: list[float]
    labels: int


def connect(client: Client) -> Send:
    """Open a connection that stays open."""
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
    """A person could not go on, for the given reason. An exception, because an exit of a pool's process goes
    unnoticed.
    """


def label(client: Client, load: Load, start: float, seconds: float) -> Times:
    """Simulate one person. Requests of the warm-up are not counted. Raises `Failed`."""
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
    """Run all people in parallel, and return their times together."""
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
