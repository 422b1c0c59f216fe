"""The base of places that are read by plain HTTP requests; `outside.outbound` checks each, after redirects, too."""

from __future__ import annotations

import asyncio
import datetime
import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from django.utils.translation import gettext

from labeling.outside import outbound
from labeling.outside.sources.base import (
    BLOCK_BYTES,
    LIST_SECONDS,
    BadAddress,
    Entry,
    Reason,
    Remote,
    SourceProblem,
    busy,
    changed,
    cleaned,
    silent,
    too_large,
)

MOST_FACTS = 16 << 20
"""The most bytes of a page of a list, or of facts about a file: the longest keys, each byte escaped, take as many."""


class HttpRemote(Remote):
    """A place whose files have addresses of their own."""

    etag_header = "etag"
    redirects = 0
    """The redirects that are followed: a store has one address, and credentials that are not for others."""

    @abstractmethod
    def _url(self, key: str) -> str:
        """Return the address of the content of a file."""

    def _name(self, key: str) -> str:
        """Return the name of a file for people, without credentials: a query may be a signature."""
        return self._url(key).partition("?")[0].partition("#")[0]

    async def _headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the headers of a request, its credentials among them."""
        return {}

    def _look(self, key: str) -> Entry:
        async def look() -> Entry:
            async with self._answer("HEAD", self._url(key), LIST_SECONDS) as answer:
                if answer.status_code not in (403, 405, 501):  # addresses that their owner signed are for GET alone
                    return await self._entry(key, answer)
            async with self._answer("GET", self._url(key), LIST_SECONDS) as answer:
                return await self._entry(key, answer)

        return asyncio.run(look())

    def _receive(self, key: str, write: Callable[[bytes], object], *, limit: int, etag: str, seconds: float) -> None:
        async def receive() -> None:
            async with self._answer("GET", self._url(key), seconds) as answer:
                found = await self._entry(key, answer)
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

        asyncio.run(receive())

    def _list(self, url: str) -> Element:
        """Return a page of a list in XML."""
        try:
            page: Element = fromstring(self._facts(url))
        except (ParseError, DefusedXmlException, ValueError) as error:
            sentence = gettext("%(place)s sends a list that cannot be read. Try again later.")
            raise SourceProblem(Reason.AWAY, sentence % {"place": self.address}) from error
        return page

    def _facts(self, url: str, key: str = "") -> bytes:
        """Return the body of an answer with facts: a list, or what is known about the file `key`."""

        async def get() -> bytes:
            async with self._answer("GET", url, LIST_SECONDS) as answer:
                await self._check(key, answer)
                return await self._body(answer)

        return asyncio.run(get())

    async def _body(self, answer: outbound.Response) -> bytes:
        try:
            return await outbound.body_of(answer, MOST_FACTS)
        except outbound.TooLong as error:
            sentence = gettext("%(place)s sends more than it was asked for.")
            raise SourceProblem(Reason.AWAY, sentence % {"place": answer.url.host}) from error

    @asynccontextmanager
    async def _answer(self, method: str, url: str, seconds: float) -> AsyncIterator[outbound.Response]:
        headers = await self._headers(method, url)
        async with self._sent(method, url, seconds, headers=headers, redirects=self.redirects) as answer:
            yield answer

    @asynccontextmanager
    async def _sent(self, method: str, url: str, seconds: float, **more: Any) -> AsyncIterator[outbound.Response]:
        try:
            async with outbound.send(method, url, seconds=seconds, **more) as answer:
                yield answer
        except outbound.Refused as refusal:
            raise SourceProblem(Reason.FORBIDDEN, str(refusal)) from refusal
        except outbound.Failed as error:
            raise silent(urlsplit(url).hostname or "", str(error)) from error

    async def _entry(self, key: str, answer: outbound.Response) -> Entry:
        """Return the facts in the headers of an answer. Raises `SourceProblem` unless it is a file."""
        await self._check(key, answer)
        changed_at = answer.headers.get("last-modified", "")
        size = number(answer.headers.get("content-length", ""))
        return cleaned(Entry(key, size, moment(changed_at), self._etag(answer) or changed_at))

    def _etag(self, answer: outbound.Response) -> str:
        return answer.headers.get(self.etag_header, "").strip('"')

    async def _check(self, key: str, answer: outbound.Response) -> None:
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
        if answer.is_redirect:
            sentence = gettext("%(place)s redirects to another address. Enter that address.")
            raise SourceProblem(Reason.PLACE, sentence % {"place": host})
        if not answer.is_success:
            sentence = gettext("%(place)s answers %(code)s. Try again later.")
            raise SourceProblem(Reason.AWAY, sentence % {"place": host, "code": status})


class StoreRemote(HttpRemote):
    """A bucket, or a container, of a store: the files whose names begin with the path of the address and "/"."""

    def _set_path(self, path: str) -> None:
        """Take the bucket, and the path within it, from an address."""
        self._bucket, _, root = path.partition("/")
        self._root = root.strip("/")
        self._prefix = f"{self._root}/" if self._root else ""
        self.names_file = bool(self._root)

    def _full(self, key: str) -> str:
        """Return the name of a file in the bucket."""
        return self._prefix + key if key else self._root

    def _check_bucket(self, pattern: re.Pattern[str]) -> None:
        """Raise `BadAddress` unless the address names a bucket."""
        if not pattern.fullmatch(self._bucket) or ".." in self._bucket:
            sentence = gettext("This names no bucket. Enter an address such as %(example)s.")
            raise BadAddress("address", sentence % {"example": self.example})


def number(text: str) -> int | None:
    """Return the size that a header or a list names; None if it is none."""
    return int(text) if text.isdecimal() and len(text) < 20 else None


def moment(text: str) -> datetime.datetime | None:
    """Return the time of a header."""
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
