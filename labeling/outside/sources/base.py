"""The interface of a place outside, and its errors."""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, NamedTuple

from django.utils.formats import number_format
from django.utils.translation import gettext

LIST_SECONDS = 60.0
"""The longest time of a request for one page of a list, or for the facts about one file."""
READ_SECONDS = 1800.0
"""The longest time that a step reads one file."""
REQUEST_SECONDS = 20.0
"""The longest time to read one file for a person who waits for it."""
BLOCK_BYTES = 1 << 20
MOST_KEY_BYTES, MOST_ETAG = 1024, 200
"""No store has files with longer keys; an etag is stored up to here."""
PAGES_WITHOUT_A_FILE = 10
"""The most pages of a list in a row that name no file behind those before."""


class Reason(StrEnum):
    """Why a place could not be listed or read."""

    CREDENTIALS = "credentials"
    """The credentials are wrong, expired, or not enough."""
    PLACE = "place"
    """There is no such bucket, or the package that reads it is missing."""
    FILE = "file"
    """There is no file with this key."""
    REFUSED = "refused"
    """The place refuses this file, though it lists its files."""
    CHANGED = "changed"
    """The file has another etag than it was asked for."""
    SIZE = "size"
    """The file has more bytes than the caller takes."""
    FORBIDDEN = "forbidden"
    """The operator of this server allows no requests to this address."""
    BUSY = "busy"
    """The place limits the rate of requests."""
    AWAY = "away"
    """The place does not answer, or fails."""


class SourceProblem(Exception):
    """A place could not be listed or read. The message is one sentence that says what to do, without credentials."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def passes(self) -> bool:
        """Whether a later attempt may succeed without a change by a person."""
        return self.reason in (Reason.BUSY, Reason.AWAY)


class BadAddress(ValueError):
    """An address or an option is not valid. `option`: its name, "address" for the address."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


class Option(NamedTuple):
    """A text that a place needs beside its address. Secrets are stored encrypted and never shown."""

    name: str
    label: str
    help: str
    secret: bool = True
    long: bool = False


class Entry(NamedTuple):
    """A file of the place. `key` is relative to the address, "" for the file that the address itself names.

    `size` in bytes and `changed` are None where the place does not tell them. `etag` changes with the content; "" if
    the place does not tell.
    """

    key: str
    size: int | None
    changed: datetime.datetime | None
    etag: str


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
                sentence = gettext("The list of files at %(address)s does not end. Nothing more is read of it.")
                raise SourceProblem(Reason.PLACE, sentence % {"address": self.address})

    def _pages(self, after: str) -> Iterator[Iterable[Entry]]:
        """Yield the pages of the list, each of one request; folders are left out."""
        raise NotImplementedError

    def entry(self, key: str = "") -> Entry:
        """Return the facts about one file."""
        with self._refusals_of(key):
            return cleaned(self._look(key))

    def read(self, key: str, *, limit: int, etag: str = "", seconds: float = READ_SECONDS) -> bytes:
        """Return the content of a file of at most `limit` bytes, within `seconds`. With `etag`, the file must have
        it.
        """
        blocks: list[bytes] = []
        with self._refusals_of(key):
            self._receive(key, blocks.append, limit=limit, etag=etag, seconds=seconds)
        return b"".join(blocks)

    def save(self, key: str, path: Path, *, limit: int, etag: str = "") -> None:
        """Write the content of a file to `path`, as `read` returns it. After an error, `path` may have a part of it."""
        with path.open("wb") as file, self._refusals_of(key):
            self._receive(key, file.write, limit=limit, etag=etag, seconds=READ_SECONDS)

    @contextmanager
    def _refusals_of(self, key: str) -> Iterator[None]:
        """Tell the refusal of one file from that of the credentials, with which the place would list nothing."""
        try:
            yield
        except SourceProblem as problem:
            if problem.reason == Reason.CREDENTIALS and key and self._can_list_now():
                sentence = gettext("%(name)s is refused. %(problem)s") % {"name": key, "problem": problem}
                raise SourceProblem(Reason.REFUSED, sentence) from problem
            raise

    def _can_list_now(self) -> bool:
        try:
            next(self.entries(), None)
        except SourceProblem:
            return False
        return True

    @abstractmethod
    def _look(self, key: str) -> Entry:
        """Return the facts about one file."""

    @abstractmethod
    def _receive(self, key: str, write: Callable[[bytes], object], *, limit: int, etag: str, seconds: float) -> None:
        """Pass the blocks of a file to `write`."""


def cleaned(entry: Entry) -> Entry:
    """Return the entry with facts that can be stored and compared, whatever the place tells."""
    size, time = entry.size, entry.changed
    if size is not None and not 0 <= size < 1 << 63:
        size = None
    if time is not None and time.tzinfo is None:
        time = time.replace(tzinfo=datetime.UTC)
    return entry._replace(size=size, changed=time, etag=entry.etag[:MOST_ETAG])


def too_large(name: str, limit: int) -> SourceProblem:
    sentence = gettext("%(name)s has more than %(limit)s bytes, the most that is read.")
    return SourceProblem(Reason.SIZE, sentence % {"name": name, "limit": number_format(limit, force_grouping=True)})


def changed(name: str) -> SourceProblem:
    sentence = gettext("%(name)s has changed since it was listed. Look at the source again.")
    return SourceProblem(Reason.CHANGED, sentence % {"name": name})


def busy(place: str) -> SourceProblem:
    sentence = gettext("%(place)s limits the rate of requests. Try again later.")
    return SourceProblem(Reason.BUSY, sentence % {"place": place})


def silent(place: str, why: str) -> SourceProblem:
    """Return the problem of a place that does not answer. `why`: a code or the name of an error."""
    sentence = gettext("%(place)s does not answer, or fails (%(why)s). Try again later.")
    return SourceProblem(Reason.AWAY, sentence % {"place": place, "why": why})
