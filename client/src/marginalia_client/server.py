"""The server."""

from __future__ import annotations

from typing import Any

import httpx

from .projects import Project
from .running import Awaiting, Blocking, C, Part, call, each
from .steps import Pages, Steps

RETRY_SECONDS = 30.0


class Server(Part[C]):
    """The projects of a server."""

    def project(self, slug: str) -> Project[C]:
        """Return the project. This sends no request."""
        return Project(self._connection, slug)

    @each
    def projects(self) -> Pages[Project[C]]:
        """Yield the projects of the token's owner."""
        params = {"page_size": 1000}
        yield from self._connection.pages("projects/", params, lambda fields: self.project(fields["slug"]))

    @call
    def create_project(self, slug: str, /, *, kind: str, classes: list[str], **settings: Any) -> Steps[Project[C]]:
        """Create a project and return it. The owner of the token becomes its manager.

        Other people than staff get a slug with a random ending, such as `tickets-k7f3`: read it from `slug` of the
        returned project. Raises `Conflict` if the slug is taken, and `Invalid`.
        """
        body = {"slug": slug, "kind": kind, "classes": classes, **settings}
        made = yield from self._connection.ask("POST", "projects/", body, repeatable=False)
        return self.project(made["slug"])

    @property
    def retries(self) -> int:
        """The number of requests that were repeated so far."""
        return self._connection.retries

    @property
    def retry_seconds(self) -> float:
        """How long a request is repeated while the server is away; other threads may change it."""
        return self._connection.retry_seconds

    @retry_seconds.setter
    def retry_seconds(self, seconds: float) -> None:
        self._connection.retry_seconds = seconds


class Marginalia(Server[Blocking]):
    """A server, whose methods return when the server has answered.

    Parameters
    ----------
    url: the server's address, for example `https://labels.example.org`.
    token: an API token, from the account page or the command `add_member --token`.
    retry_seconds: how long a request is repeated while the server is away, from its first failure on.
    http: a client of your own, for proxies, certificates and time limits.

    Raises `ValueError` if `url` is not an address.
    """

    def __init__(
        self, url: str, token: str, *, retry_seconds: float = RETRY_SECONDS, http: httpx.Client | None = None
    ) -> None:
        super().__init__(Blocking(url, token, retry_seconds, http))

    def close(self) -> None:
        """Close the connections."""
        self._connection.http.close()

    def __enter__(self) -> Marginalia:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class AsyncMarginalia(Server[Awaiting]):
    """A server, whose methods are awaited, and whose lists are asynchronous. Parameters as for `Marginalia`."""

    def __init__(
        self, url: str, token: str, *, retry_seconds: float = RETRY_SECONDS, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(Awaiting(url, token, retry_seconds, http))

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.http.aclose()

    async def __aenter__(self) -> AsyncMarginalia:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
