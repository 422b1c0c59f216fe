"""A project's items."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .bars import bar
from .errors import Failed, Invalid
from .records import Record, record
from .rows import HEADERS, Chunk, Row, chunks
from .running import Awaiting, Blocking, C, Part, call, each
from .steps import Connection, Pages, Request, Steps, polls

HOPELESS_ROWS = 10_000
"""A call ends when so many rows were bad, and none was good."""


@dataclass(frozen=True, slots=True)
class Item(Record):
    """An item of the pool, with its label if it has one. `fields` has all fields of the API."""

    id: int
    external_id: str
    state: str | None
    label: Any
    batch: int | None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not added. `row` is its index, from 0."""

    row: int
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Added:
    """The result of adding items.

    `existing` counts the rows with an id that the project had before the call, or that an earlier row of it has.
    `rejections` lists the rejected rows, the first 1,000 of each request.
    """

    added: int = 0
    existing: int = 0
    rejected: int = 0
    rejections: tuple[RejectedRow, ...] = ()


class Items(Part[C]):
    """The items of a project. Iterate over it to read all items."""

    def __init__(self, connection: C, path: str) -> None:
        super().__init__(connection)
        self._path = path

    def __iter__(self: Items[Blocking]) -> Iterator[Item]:
        return self.list()

    def __aiter__(self: Items[Awaiting]) -> AsyncIterator[Item]:
        return self.list()

    @each
    def list(self, /, **filters: Any) -> Pages[Item]:
        """Yield the items that match all filters of the API, for example `label="owl"` or `state="labeled"`.

        Raises `Refused` for an unknown filter.
        """
        params = {"page_size": 1000, **filters}
        yield from self._connection.pages(f"{self._path}items/", params, partial(record, Item))

    @call
    def get(self, item_id: int) -> Steps[Item]:
        """Return one item, with its annotations in `fields`. Raises `NotFound`."""
        return record(Item, (yield from self._connection.ask("GET", f"{self._path}items/{item_id}/")))

    @call
    def add(self, rows: Iterable[Row], *, strict: bool = False, progress: bool = False) -> Steps[Added]:
        """Add items, in requests of up to a megabyte. Rows with an id that the project has are left as they are, so
        that a call can be repeated.

        Bad rows are set aside with their reason; with `strict`, the first request with a bad row adds nothing and ends
        the call. Requests before an error stay added.

        Raises `ValueError` for a row without id, `Invalid` if the first `HOPELESS_ROWS` rows are bad (or any row, with
        `strict`) or the project has no room, `Failed` if the server could not store the items, and `Refused` or
        `ServerAway`. The text of `Invalid` says how many items the call had added.
        """
        total = Added()
        with bar(progress, "items") as advance:
            for chunk in chunks(rows):
                part = yield from self._send(chunk, strict=strict, before=total)
                total = Added(
                    total.added + part.added,
                    total.existing + part.existing,
                    total.rejected + part.rejected,
                    total.rejections + part.rejections,
                )
                advance(len(chunk.ids))
        return total

    def _send(self, chunk: Chunk, *, strict: bool, before: Added) -> Steps[Added]:
        connection: Connection = self._connection
        params = {"strict": "true"} if strict else {}
        # A repeated request with the same key imports nothing, and returns the import of the first one.
        headers = {**HEADERS, "Idempotency-Key": uuid.uuid4().hex}
        reply = yield from connection.send(Request("POST", f"{self._path}items/", params, chunk.content, headers))
        body = reply.json()
        if reply.status == 400 and isinstance(body, dict) and "import" in body:
            run = body["import"]
        else:
            run = connection.read(reply)
        for pause in polls(None, ""):
            if run["state"] not in ("waiting", "running"):
                break
            yield pause
            run = yield from connection.ask("GET", f"{self._path}imports/{run['id']}/")
        if run["state"] == "failed":
            raise Failed(run["reason"])
        existing = run["existing"]
        added = Added(run["accepted"], existing, run["rejected"] - existing)
        if run["state"] == "refused":
            count = before.added + added.added
            was_read = run["accepted"] + run["rejected"] == len(chunk.ids)  # all rows have been added or rejected
            is_hopeless = not count + before.existing + existing and before.rejected + added.rejected >= HOPELESS_ROWS
            if strict or not was_read or is_hopeless:
                so_far = f" Added by this call: {count:,}." if count else ""
                raise Invalid(f"{run['reason']}{so_far}", status=400, code="refused")
        if added.rejected:
            added = replace(added, rejections=(yield from self._rejections(chunk, run["id"])))
        return added

    def _rejections(self, chunk: Chunk, import_id: int) -> Steps[tuple[RejectedRow, ...]]:
        path = f"{self._path}imports/{import_id}/rejected/"
        reply = yield from self._connection.send(Request("GET", path, {"existing": "false"}))
        if not reply.is_good:
            self._connection.read(reply)
        text = io.StringIO(reply.body.decode("utf-8-sig"), newline="")
        return tuple(_rejected(chunk, row) for row in csv.DictReader(text))


def _rejected(chunk: Chunk, row: Mapping[str, str]) -> RejectedRow:
    at = int(row["where"].rpartition(" ")[2]) - 1  # "line 3"
    return RejectedRow(chunk.first + at, chunk.ids[at], row["reason"])
