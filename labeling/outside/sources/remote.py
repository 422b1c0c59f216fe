"""The interface of a place, read by plain HTTP requests; `outside.outbound` checks each, after redirects, too."""

import asyncio
import datetime
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling.outside import outbound
from labeling.outside.sources.base import (
    LIST_SECONDS,
    READ_SECONDS,
    BadAddress,
    Entry,
    Option,
    Reason,
    SourceProblem,
    busy,
    cleaned,
    silent,
)

BLOCK_BYTES = 1 << 20
MOST_KEY_BYTES = 1024
"""No store has files with longer keys."""
PAGES_WITHOUT_A_FILE = 10
"""The most pages of a list in a row that name no file behind those before."""
MOST_FACTS = 16 << 20
"""The most bytes of a page of a list, or of facts about a file: the longest keys, each byte escaped, take as many."""


class Remote(ABC):
    """The files at and below an address. All methods raise `SourceProblem`, and may be called by several threads."""

    schemes: ClassVar[tuple[str, ...]]
    title: ClassVar[str]
    example: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    can_list: ClassVar[bool] = True
    """Whether the place has lists of its files, and lists from a key on."""
    names_file = True
    """Whether the address can be that of a file. A bucket alone is none."""
    etag_header = "etag"
    redirects = 0
    """The redirects that are followed: a store has one address, and credentials that are not for others."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        """`options` maps names of `Option` to texts. Connects to nothing. Raises `BadAddress`."""
        self.address = address
        self.given = options

    def entries(self, after: str = "") -> Iterator[Entry]:
        """Yield the files below the address whose keys sort after `after`, by the UTF-8 bytes of their keys.

        Each 1,000 files or so take a request. Files before `after` take none.
        """
        last, idle = after.encode(), 0
        for page in self._pages(after):
            idle += 1
            for entry in page:
                key = entry.key.encode()
                if after.encode() < key and len(key) <= MOST_KEY_BYTES:
                    yield cleaned(entry)
                if key > last:
                    last, idle = key, 0
            if idle > PAGES_WITHOUT_A_FILE:
                sentence = gettext("The file list at %(address)s has no end, so reading stopped.")
                raise SourceProblem(Reason.PLACE, sentence % {"address": self.address})

    def _pages(self, after: str) -> Iterator[Iterable[Entry]]:
        """Yield the pages of the list, each of one request; folders are left out."""
        raise NotImplementedError

    def entry(self, key: str = "") -> Entry:
        """Return the facts about one file."""
        with self._refusals_of(key):
            return cleaned(self._look(key))

    def read(self, key: str, *, limit: int, etag: str = "", seconds: float = READ_SECONDS) -> bytes:
        """Return the content of a file of at most `limit` bytes, within `seconds`. It must have a given `etag`."""
        blocks: list[bytes] = []
        with self._refusals_of(key):
            self._receive(key, blocks.append, limit=limit, etag=etag, seconds=seconds)
        return b"".join(blocks)

    def save(self, key: str, path: Path, *, limit: int) -> None:
        """Write the content of a file to `path`, as `read` returns it. After an error, `path` may have a part of it."""
        with path.open("wb") as file, self._refusals_of(key):
            self._receive(key, file.write, limit=limit, etag="", seconds=READ_SECONDS)

    @contextmanager
    def _refusals_of(self, key: str) -> Iterator[None]:
        """Tell the refusal of one file from that of the credentials, with which the place would list nothing."""
        try:
            yield
        except SourceProblem as problem:
            if problem.reason == Reason.CREDENTIALS and key and self._can_list_now():
                sentence = gettext("%(name)s was rejected. %(problem)s") % {"name": key, "problem": problem}
                raise SourceProblem(Reason.REFUSED, sentence) from problem
            raise

    def _can_list_now(self) -> bool:
        try:
            next(self.entries(), None)
        except SourceProblem:
            return False
        return True

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
        """Return the facts about one file."""

        async def look() -> Entry:
            async with self._answer("HEAD", self._url(key), LIST_SECONDS) as answer:
                if answer.status_code not in (403, 405, 501):  # addresses that their owner signed are for GET alone
                    return await self._entry(key, answer)
            async with self._answer("GET", self._url(key), LIST_SECONDS) as answer:
                return await self._entry(key, answer)

        return asyncio.run(look())

    def _receive(self, key: str, write: Callable[[bytes], object], *, limit: int, etag: str, seconds: float) -> None:
        """Pass the blocks of a file to `write`."""

        async def receive() -> None:
            async with self._answer("GET", self._url(key), seconds) as answer:
                found = await self._entry(key, answer)
                if etag and found.etag != etag:
                    sentence = gettext("%(name)s has changed since it was listed. Check the source again.")
                    raise SourceProblem(Reason.CHANGED, sentence % {"name": self._name(key)})
                size = 0
                async for block in answer.aiter_raw(BLOCK_BYTES):
                    size += len(block)
                    if size > limit:
                        sentence = gettext("%(name)s is larger than the limit of %(limit)s bytes.")
                        facts = {"name": self._name(key), "limit": number_format(limit, force_grouping=True)}
                        raise SourceProblem(Reason.SIZE, sentence % facts)
                    write(block)
                if found.size is not None and size != found.size:
                    sentence = gettext("The download of %(name)s was interrupted.")
                    raise SourceProblem(Reason.AWAY, sentence % {"name": self._name(key)})

        asyncio.run(receive())

    def _list(self, url: str) -> Element:
        """Return a page of a list in XML."""
        try:
            page: Element = fromstring(self._facts(url))
        except (ParseError, DefusedXmlException, ValueError) as error:
            sentence = gettext("%(place)s sent a list that cannot be read. Try again later.")
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
            sentence = gettext("%(place)s sent more than requested.")
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
            sentence = gettext("%(place)s rejected the request (%(code)s). Enter other credentials.")
            raise SourceProblem(Reason.CREDENTIALS, sentence % {"place": host, "code": status})
        if status in (404, 410):
            sentence = gettext("The file %(name)s does not exist (%(code)s).")
            raise SourceProblem(Reason.FILE, sentence % {"name": self._name(key), "code": status})
        if status in (429, 503):
            raise busy(host)
        if answer.is_redirect:
            sentence = gettext("%(place)s redirects to another URL. Enter that URL.")
            raise SourceProblem(Reason.PLACE, sentence % {"place": host})
        if not answer.is_success:
            sentence = gettext("%(place)s responded with %(code)s. Try again later.")
            raise SourceProblem(Reason.AWAY, sentence % {"place": host, "code": status})


class StoreRemote(Remote):
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
            sentence = gettext("The URL does not name a bucket. Enter one such as %(example)s.")
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
