"""Perform the steps of the client with httpx: blocking, or awaiting.

A method is declared once with `@call` or `@each`. Its part of the API belongs to a connection: with a `Blocking` one,
the method returns its result, with an `Awaiting` one a coroutine.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import httpx

from .steps import Connection, Effect, Lost, Pages, Pause, Reply, Request, Steps
from .version import __version__

T = TypeVar("T")
P = ParamSpec("P")

TIMEOUT = httpx.Timeout(90, connect=10)
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Blocking(Connection):
    """Performs steps in the calling thread."""

    def __init__(self, url: str, token: str, retry_seconds: float, http: httpx.Client | None) -> None:
        super().__init__(url, token, retry_seconds)
        self.http = http or httpx.Client(timeout=TIMEOUT)

    def run(self, steps: Steps[T]) -> T:
        """Return the result of the steps."""
        outcome: Any = None
        try:
            while True:
                outcome = self._perform(steps.send(outcome))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    def each(self, pages: Pages[T]) -> Iterator[T]:
        """Yield the results of the steps."""
        outcome: Any = None
        try:
            while True:
                step = pages.send(outcome)
                outcome = None
                if isinstance(step, list):
                    yield from step
                else:
                    outcome = self._perform(step)
        except StopIteration:
            return
        finally:
            pages.close()

    def _perform(self, effect: Effect) -> Reply | Lost | None:
        if isinstance(effect, Pause):
            time.sleep(effect.seconds)
            return None
        try:
            with self.http.stream(**_arguments(self, effect)) as response:
                if effect.into is None or not response.is_success:
                    return _reply(response, response.read())
                for chunk in response.iter_bytes():
                    effect.into.write(chunk)
                return _reply(response, b"")
        except httpx.TransportError as error:
            return _lost(error)


class Awaiting(Connection):
    """Performs steps in the running event loop of asyncio."""

    def __init__(self, url: str, token: str, retry_seconds: float, http: httpx.AsyncClient | None) -> None:
        super().__init__(url, token, retry_seconds)
        self.http = http or httpx.AsyncClient(timeout=TIMEOUT)

    async def run(self, steps: Steps[T]) -> T:
        """Return the result of the steps."""
        outcome: Any = None
        try:
            while True:
                outcome = await self._perform(steps.send(outcome))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    async def each(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Yield the results of the steps."""
        outcome: Any = None
        try:
            while True:
                step = pages.send(outcome)
                outcome = None
                if isinstance(step, list):
                    for result in step:
                        yield result
                else:
                    outcome = await self._perform(step)
        except StopIteration:
            return
        finally:
            pages.close()

    async def _perform(self, effect: Effect) -> Reply | Lost | None:
        if isinstance(effect, Pause):
            await asyncio.sleep(effect.seconds)
            return None
        try:
            async with self.http.stream(**_arguments(self, effect)) as response:
                if effect.into is None or not response.is_success:
                    return _reply(response, await response.aread())
                async for chunk in response.aiter_bytes():
                    effect.into.write(chunk)
                return _reply(response, b"")
        except httpx.TransportError as error:
            return _lost(error)


C = TypeVar("C", bound=Blocking | Awaiting)


class Part(Generic[C]):
    """A part of the API, on a connection. Base of the classes with methods."""

    def __init__(self, connection: C) -> None:
        self._connection: C = connection


class call(Generic[P, T]):
    """Makes of a generator of steps a method that returns the result, or a coroutine of it."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, part: None, owner: type) -> call[P, T]: ...
    @overload
    def __get__(self, part: Part[Blocking], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, part: Part[Awaiting], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, part: Part[Any] | None, owner: type) -> Any:
        return self if part is None else _bound(self._steps, part, part._connection.run)


class each(Generic[P, T]):
    """Makes of a generator of pages a method that returns an iterator of the results, or an asynchronous one."""

    def __init__(self, pages: Callable[Concatenate[Any, P], Pages[T]]) -> None:
        self._pages = pages
        self.__doc__ = pages.__doc__

    @overload
    def __get__(self, part: None, owner: type) -> each[P, T]: ...
    @overload
    def __get__(self, part: Part[Blocking], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, part: Part[Awaiting], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, part: Part[Any] | None, owner: type) -> Any:
        return self if part is None else _bound(self._pages, part, part._connection.each)


def _bound(steps: Callable[..., Any], part: Part[Any], perform: Callable[[Any], Any]) -> Callable[..., Any]:
    @functools.wraps(steps)
    def method(*args: Any, **kwargs: Any) -> Any:
        return perform(steps(part, *args, **kwargs))

    return method


def _arguments(connection: Connection, request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": f"{connection.url}/api/v1/{request.path}",
        "params": dict(request.params),
        "content": request.content,
        "headers": {
            "Authorization": f"Token {connection.token}",
            "User-Agent": f"marginalia-client/{__version__}",
            **request.headers,
        },
    }


def _reply(response: httpx.Response, body: bytes) -> Reply:
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


def _lost(error: httpx.TransportError) -> Lost:
    return Lost(str(error) or type(error).__name__, sent=not isinstance(error, NEVER_SENT))
