"""What the client does, apart from how it waits.

Each method of the client is a generator of effects: requests and pauses. `running` performs the effects, blocking or
awaiting, and sends the results back. So each method is written once, and tests need no network.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import parse_qsl, urlsplit

from .errors import BY_STATUS, NotMarginalia, Refused, ServerAway, TimedOut

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between the tries of a request; each pause is twice as long as the one before."""
FIRST_POLL, LONGEST_POLL = 0.2, 10.0
"""Seconds between two looks at something that the server does."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request below `/api/v1/`.

    `repeatable`: whether a second request would change nothing more. `into` receives the body of a good response.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    into: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A response. `body` is empty if the request had an `into`, and the response was good."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body; None if it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection broke. `sent`: whether the request may have reached the server."""

    reason: str
    sent: bool


Effect = Request | Pause
Steps = Generator[Effect, Any, T]
"""The steps to a result."""
Pages = Generator[Effect | list[T], Any, None]
"""The steps to many results: each list is a page of them."""


class Connection:
    """A server's address, a token, and how long a request is repeated. Base of the two that perform effects.

    A request is repeated if the connection breaks, or the server answers 429 or 5xx, unless a second one could change
    something more. The server's `Retry-After` is kept.
    """

    def __init__(self, url: str, token: str, retry_seconds: float) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{url!r} is not the address of a server: it begins with http:// or https://.")
        self.url = url.rstrip("/")
        self.token = token
        self.retry_seconds = retry_seconds
        self.retries = 0

    def send(self, request: Request) -> Steps[Reply]:
        """Send a request, and repeat it if necessary. Returns a response of any status.

        Raises `ServerAway`.
        """
        failing_since, pause = 0.0, FIRST_PAUSE
        while True:
            outcome: Reply | Lost = yield request
            if isinstance(outcome, Reply) and outcome.status < 500 and outcome.status != 429:
                return outcome
            wait = max(pause, _retry_after(outcome))
            if not _may_repeat(request, outcome):
                raise ServerAway(f"{self._away(outcome)} The request may have taken effect: it was not repeated.")
            failing_since = failing_since or time.monotonic()
            if time.monotonic() + wait > failing_since + self.retry_seconds:
                raise ServerAway(self._away(outcome))
            if request.into is not None:
                request.into.seek(0)
                request.into.truncate()
            self.retries += 1
            yield Pause(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> Steps[Any]:
        """Send a request with a JSON body, and return the JSON of the response; None for an empty one.

        Raises `ServerAway`, `Refused` or `NotMarginalia`.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        reply = yield from self.send(Request(method, path, params or {}, content, headers, repeatable))
        return self.read(reply)

    def read(self, reply: Reply) -> Any:
        """Return the JSON of a good response. Raises `Refused` or `NotMarginalia`."""
        body = reply.json()
        if reply.status == 204:
            return None
        if reply.is_good and body is not None:
            return body
        if isinstance(body, dict) and "detail" in body and not reply.is_good:
            kind = BY_STATUS.get(reply.status, Refused)
            raise kind(
                str(body["detail"]), status=reply.status, code=str(body.get("code", "")), fields=body.get("fields")
            )
        if place := reply.headers.get("location"):
            raise NotMarginalia(f"{self.url} answers {reply.status} and leads to {place}: use that address.")
        raise NotMarginalia(f"What answers at {self.url} is not Marginalia.")

    def pages(self, path: str, params: Mapping[str, Any], make: Callable[[dict[str, Any]], T]) -> Pages[T]:
        """Read a list of the API, page by page, and make a result of each object."""
        while True:
            body = yield from self.ask("GET", path, params=params)
            yield [make(each) for each in body["results"]]
            if not body["next"]:
                return
            # Only its query: behind a proxy, the server may not know its own address, and the token stays here.
            params = dict(parse_qsl(urlsplit(body["next"]).query))

    def download(self, path: str, params: Mapping[str, Any], into: BinaryIO) -> Steps[None]:
        """Write a file of the API into `into`, from its beginning. Raises as `ask`."""
        reply = yield from self.send(Request("GET", path, params, into=into))
        if not reply.is_good:
            self.read(reply)

    def _away(self, outcome: Reply | Lost) -> str:
        if isinstance(outcome, Lost):
            return f"The server at {self.url} does not answer ({outcome.reason})."
        body = outcome.json()
        detail = f": {body['detail']}" if isinstance(body, dict) and "detail" in body else "."
        return f"The server at {self.url} answers {outcome.status}{detail}"


def upload(connection: Connection, address: str, path: Path, params: Mapping[str, Any] | None = None) -> Steps[Any]:
    """Send a file, and return the JSON of the response. The request is not repeated: each one begins something of its
    own. Raises as `Connection.ask`, and `OSError`.
    """
    name = "".join(c for c in path.name if c.isascii() and c.isprintable() and c not in '"\\')
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{name or "file"}"',
    }
    request = Request("POST", address, params or {}, path.read_bytes(), headers, repeatable=False)
    return connection.read((yield from connection.send(request)))


def polls(timeout: float | None, problem: str) -> Iterator[Pause]:
    """Yield the pauses between looks, each longer than the one before, for at most `timeout` seconds.

    Then raises `TimedOut` with the problem.
    """
    end = None if timeout is None else time.monotonic() + timeout
    seconds = FIRST_POLL
    while True:
        left = seconds if end is None else end - time.monotonic()
        if left <= 0:
            raise TimedOut(f"{problem} after {timeout:g} seconds.")
        yield Pause(min(seconds, left))
        seconds = min(1.5 * seconds, LONGEST_POLL)


def _may_repeat(request: Request, outcome: Reply | Lost) -> bool:
    if request.repeatable:
        return True
    return not outcome.sent if isinstance(outcome, Lost) else outcome.status == 429


def _retry_after(outcome: Reply | Lost) -> float:
    text = outcome.headers.get("retry-after", "") if isinstance(outcome, Reply) else ""
    return float(text) if text.isdecimal() else 0.0
