"""The base of places that are read by plain HTTP requests, each checked by `labeling.outbound`, after redirects too."""

from __future__ import annotations

import asyncio
import datetime
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from django.utils.translation import gettext

from labeling import outbound
from labeling.sources.base import (
    BLOCK_BYTES,
    LIST_SECONDS,
    Entry,
    Reason,
    Remote,
    SourceProblem,
    busy,
    changed,
    silent,
    too_large,
)

Result = TypeVar("Result")

SECONDS = 15.0
"""The longest time between two parts of an answer."""
REDIRECTS = 5
MOST_FACTS = 32 << 20
"""The most bytes of a list or of facts about a file."""


class HttpRemote(Remote):
    """A place whose files have addresses of their own."""

    etag_header = "etag"

    @abstractmethod
    def _url(self, key: str) -> str:
        """Return the address of the content of a file."""

    def _name(self, key: str) -> str:
        """Return the name of a file for people, without credentials: a query may be a signature."""
        return self._url(key).partition("?")[0].partition("#")[0]

    async def _headers(self) -> Mapping[str, str]:
        return {}

    def _look(self, key: str) -> Entry:
        async def look() -> Entry:
            async with self._answer("HEAD", self._url(key)) as answer:
                if answer.status_code not in (403, 405, 501):  # addresses that their owner signed are for GET alone
                    return self._entry(key, answer)
            async with self._answer("GET", self._url(key)) as answer:
                return self._entry(key, answer)

        return self._ask(look(), LIST_SECONDS)

    def _receive(self, key: str, write: Callable[[bytes], object], *, limit: int, etag: str, seconds: float) -> None:
        async def receive() -> None:
            async with self._answer("GET", self._url(key)) as answer:
                found = self._entry(key, answer)
                if etag and found.etag != etag:
                    raise changed(self._name(key))
                size = 0
                async for block in answer.aiter_raw(BLOCK_BYTES):
                    size += len(block)
                    if size > limit:
                        raise too_large(self._name(key), limit)
                    write(block)
                if found.size is not None and size != found.size:
                    sentence = gettext("%(name)s broke off before it was complete.")
                    raise SourceProblem(Reason.AWAY, sentence % {"name": self._name(key)})

        self._ask(receive(), seconds)

    def _facts(self, url: str, key: str = "") -> bytes:
        """Return the body of an answer with facts: a list, or what is known about the file `key`."""

        async def get() -> bytes:
            async with self._answer("GET", url) as answer:
                self._check(key, answer)
                body = bytearray()
                async for block in answer.aiter_bytes():
                    body += block
                    if len(body) > MOST_FACTS:
                        sentence = gettext("%(place)s sends more than it was asked for.")
                        raise SourceProblem(Reason.AWAY, sentence % {"place": answer.url.host})
                return bytes(body)

        return self._ask(get(), LIST_SECONDS)

    @asynccontextmanager
    async def _answer(self, method: str, url: str) -> AsyncIterator[httpx.Response]:
        headers = {"accept-encoding": "identity", **await self._headers()}
        async with client() as made, made.stream(method, url, headers=headers) as answer:
            yield answer

    def _entry(self, key: str, answer: httpx.Response) -> Entry:
        """Return the facts in the headers of an answer. Raises `SourceProblem` unless it is a file."""
        self._check(key, answer)
        length, changed_at = answer.headers.get("content-length", ""), answer.headers.get("last-modified", "")
        etag = answer.headers.get(self.etag_header, "") or changed_at
        return Entry(key, int(length) if length.isdecimal() else None, moment(changed_at), etag.strip('"')[:200])

    def _check(self, key: str, answer: httpx.Response) -> None:
        """Raise `SourceProblem` unless the answer is a success."""
        status, host = answer.status_code, answer.url.host
        if status in (401, 403):
            sentence = gettext("%(place)s refuses the request (%(code)s). Enter other credentials.")
            raise SourceProblem(Reason.CREDENTIALS, sentence % {"place": host, "code": status})
        if status in (404, 410):
            sentence = gettext("There is no file %(name)s (%(code)s).")
            raise SourceProblem(Reason.FILE, sentence % {"name": self._name(key), "code": status})
        if status in (429, 503):
            raise busy(host)
        if not answer.is_success:
            sentence = gettext("%(place)s answers %(code)s. Try again later.")
            raise SourceProblem(Reason.AWAY, sentence % {"place": host, "code": status})

    def _ask(self, request: Coroutine[Any, Any, Result], seconds: float) -> Result:
        async def ask() -> Result:
            async with asyncio.timeout(seconds):
                return await request

        try:
            return asyncio.run(ask())
        except outbound.Refused as refusal:
            raise SourceProblem(Reason.FORBIDDEN, str(refusal)) from refusal
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise silent(httpx.URL(self._url("")).host, type(error).__name__) from error


def client() -> httpx.AsyncClient:
    """Return a client whose requests go to checked addresses alone."""
    transport = outbound.CheckedTransport()
    return httpx.AsyncClient(
        transport=transport, timeout=SECONDS, follow_redirects=True, max_redirects=REDIRECTS, trust_env=False
    )


def moment(text: str) -> datetime.datetime | None:
    """Return the time of a header."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
