"""Files of a web server. It has no lists of files: each file is read by its name."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from labeling import outbound
from labeling.sources.base import (
    BLOCK_BYTES,
    LIST_SECONDS,
    READ_SECONDS,
    BadAddress,
    Entry,
    Option,
    Reason,
    Remote,
    SourceProblem,
    changed,
    too_large,
)

Result = TypeVar("Result")

SECONDS = 15.0
"""The longest time between two parts of an answer."""
REDIRECTS = 5


class Web(Remote):
    """The file at an address, and the files below it by their names. Redirects are followed, and checked alike."""

    schemes = ("https", "http")
    title = "A web server"
    example = "https://example.org/data.csv"
    options = (
        Option(
            "authorization",
            "Authorization",
            "The value of the header, such as: Bearer abc123. Empty for what anyone can read.",
        ),
    )
    can_list = False

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        super().__init__(address, options)
        try:
            outbound.check_text(address)
        except ValueError as error:
            raise BadAddress("address", str(error)) from None
        if not options.get("authorization", "").isprintable() or not options.get("authorization", "").isascii():
            raise BadAddress("authorization", "Enter the value of one header, in plain ASCII characters.")

    def entries(self, after: str = "") -> Iterator[Entry]:
        raise SourceProblem(Reason.PLACE, "A web server has no list of its files. Enter the address of one file.")

    def entry(self, key: str = "") -> Entry:
        async def look() -> Entry:
            async with self._answer("HEAD", key) as answer:
                if answer.status_code not in (403, 405, 501):  # signed addresses are for GET alone
                    return self._entry(key, answer)
            async with self._answer("GET", key) as answer:
                return self._entry(key, answer)

        return self._ask(look(), LIST_SECONDS)

    def _receive(self, key: str, write: Callable[[bytes], object], *, limit: int, etag: str) -> None:
        async def receive() -> None:
            async with self._answer("GET", key) as answer:
                found = self._entry(key, answer)
                if etag and found.etag != etag:
                    raise changed(self._url(key))
                size = 0
                async for block in answer.aiter_raw(BLOCK_BYTES):
                    size += len(block)
                    if size > limit:
                        raise too_large(self._url(key), limit)
                    write(block)
                if found.size is not None and size != found.size:
                    raise SourceProblem(Reason.AWAY, f"{self._url(key)} broke off before it was complete.")

        self._ask(receive(), READ_SECONDS)

    def _url(self, key: str) -> str:
        return f"{self.address.rstrip('/')}/{quote(key)}" if key else self.address

    @asynccontextmanager
    async def _answer(self, method: str, key: str) -> AsyncIterator[httpx.Response]:
        headers = {"accept-encoding": "identity"}
        if self.given.get("authorization"):
            headers["authorization"] = self.given["authorization"]
        async with (
            httpx.AsyncClient(
                transport=outbound.CheckedTransport(),
                timeout=SECONDS,
                follow_redirects=True,
                max_redirects=REDIRECTS,
                headers=headers,
            ) as client,
            client.stream(method, self._url(key)) as answer,
        ):
            yield answer

    def _entry(self, key: str, answer: httpx.Response) -> Entry:
        """Return the facts in the headers of an answer. Raises `SourceProblem` unless it is a file."""
        status, host = answer.status_code, answer.url.host
        if status in (401, 403):
            raise SourceProblem(Reason.CREDENTIALS, f"{host} refuses the request ({status}). Enter other credentials.")
        if status in (404, 410):
            raise SourceProblem(Reason.FILE, f"There is no file {self._url(key)} ({status}).")
        if status == 429:
            raise SourceProblem(Reason.BUSY, f"{host} limits the rate of requests. Try again later.")
        if not answer.is_success:
            raise SourceProblem(Reason.AWAY, f"{host} answers {status}. Try again later.")
        length, changed_at = answer.headers.get("content-length", ""), answer.headers.get("last-modified", "")
        etag = answer.headers.get("etag", "") or changed_at
        return Entry(key, int(length) if length.isdecimal() else None, _moment(changed_at), etag[:200])

    def _ask(self, request: Coroutine[Any, Any, Result], seconds: float) -> Result:
        async def ask() -> Result:
            async with asyncio.timeout(seconds):
                return await request

        host = httpx.URL(self.address).host
        try:
            return asyncio.run(ask())
        except outbound.Refused as refusal:
            raise SourceProblem(Reason.FORBIDDEN, str(refusal)) from refusal
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            why = type(error).__name__
            raise SourceProblem(Reason.AWAY, f"{host} does not answer, or fails ({why}). Try again later.") from error


def _moment(text: str) -> datetime.datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
