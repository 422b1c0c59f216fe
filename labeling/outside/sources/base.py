"""The files of places outside, the options of these, and their errors."""

import datetime
from enum import StrEnum
from typing import NamedTuple

from django.utils.translation import gettext

LIST_SECONDS = 60.0
"""The longest time of a request for one page of a list, or for the facts about one file."""
READ_SECONDS = 1800.0
"""The longest time that a step reads one file."""
REQUEST_SECONDS = 20.0
"""The longest time to read one file for a person who waits for it."""
MOST_ETAG = 200
"""An etag is stored up to here."""


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


def cleaned(entry: Entry) -> Entry:
    """Return the entry with facts that can be stored and compared, whatever the place tells."""
    size, time = entry.size, entry.changed
    if size is not None and not 0 <= size < 1 << 63:
        size = None
    if time is not None and time.tzinfo is None:
        time = time.replace(tzinfo=datetime.UTC)
    return entry._replace(size=size, changed=time, etag=entry.etag[:MOST_ETAG])


def busy(place: str) -> SourceProblem:
    sentence = gettext("%(place)s received too many requests. Try again later.")
    return SourceProblem(Reason.BUSY, sentence % {"place": place})


def silent(place: str, why: str) -> SourceProblem:
    """Return the problem of a place that does not answer. `why`: a code or the name of an error."""
    sentence = gettext("%(place)s is not responding, or failed (%(why)s). Try again later.")
    return SourceProblem(Reason.AWAY, sentence % {"place": place, "why": why})
