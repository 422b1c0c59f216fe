"""Check the records of a source in chunks that fit into memory, opening many files at a time. This module uses no
database.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from labeling import kinds
from labeling.kinds import BadFile
from labeling.kinds.wording import MIB

from .drafts import Draft, Rejection, bad_file, check_row
from .readers.base import Record, Source, UnreadableFile
from .readers.keys_file import SIDE_BY_SIDE
from .rules import Rules

# A chunk ends at the first of these: as many records as the kind has it, so much held in memory (a row is assumed to
# take eight times as much there as in its file), so long since it was begun.
CHUNK_BYTES = 64 << 20
EXPANSION = 8
CHUNK_SECONDS = 3.0

# Files are opened so many at once, or when they have so many bytes together.
BATCH = 32
BATCH_BYTES = MIB

Checked = list[Draft | Rejection]


def chunks(
    source: Source, rules: Rules, *, skip: int = 0, most: Callable[[], int] | None = None
) -> Iterator[tuple[list[str], Checked, Rules]]:
    """Check the records after the first `skip`. Yields for each chunk the records' places, the results, and the rules.

    The first good vector sets the length of all later vectors. `most` returns the most records of the next
    chunk; None: the kind's own number.
    """
    if not skip:
        source.check_whole()
    kind = kinds.get(rules.kind)
    most = most or (lambda: kind.chunk)
    places: list[str] = []
    checked: Checked = []
    size, weight, begun = most(), 0, time.monotonic()
    damage: UnreadableFile | None = None

    def up_to_damage() -> Iterator[Record]:
        nonlocal damage
        try:
            yield from source.rows(skip=skip)
        except UnreadableFile as error:
            damage = error  # raised once the records before it are checked

    records = up_to_damage()
    if kind.is_file:
        results = _check_files(records, rules, source)
    else:
        results = ((record, check_row(record, rules, source)) for record in records)  # by the rules as they are by then
    for record, result in results:
        places.append(record.where)
        checked.append(result)
        if isinstance(result, Draft):
            weight += EXPANSION * record.size + result.file_bytes
            if result.vector is not None and rules.vector_length is None:
                rules = replace(rules, vector_length=len(result.vector))
        if len(places) >= size or weight >= CHUNK_BYTES or time.monotonic() - begun >= CHUNK_SECONDS:
            yield places, checked, rules
            places, checked, size, weight, begun = [], [], most(), 0, time.monotonic()
    if places:
        yield places, checked, rules
    if damage is not None:
        raise damage


def check_record(record: Record, rules: Rules, source: Source) -> Draft | Rejection:
    """Return the draft of an item, or a rejection with the reason. Does not check for duplicate ids."""
    return next(_with_files([(record, check_row(record, rules, source))], rules))[1]


def _check_files(records: Iterable[Record], rules: Rules, source: Source) -> Iterator[tuple[Record, Draft | Rejection]]:
    """Yield each record with its result of `check_record`; quicker than single calls for many small files."""
    waiting: list[tuple[Record, Draft | Rejection]] = []
    size = 0
    for record, result in _check_rows(records, rules, source):
        waiting.append((record, result))
        size += len(result.file or b"") if isinstance(result, Draft) else 0
        if len(waiting) == BATCH or size >= BATCH_BYTES:
            yield from _with_files(waiting, rules)
            waiting, size = [], 0
    yield from _with_files(waiting, rules)


def _check_rows(records: Iterable[Record], rules: Rules, source: Source) -> Iterator[tuple[Record, Draft | Rejection]]:
    """Yield each record with its result of `check_row`, in order. Files at a source are read side by side."""
    if rules.files_at is None:
        yield from ((record, check_row(record, rules, source)) for record in records)
        return
    waiting: deque[tuple[Record, Future[Draft | Rejection]]] = deque()
    threads = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="rows")
    try:
        for record in records:
            waiting.append((record, threads.submit(check_row, record, rules, source)))
            if len(waiting) == SIDE_BY_SIDE:
                first, result = waiting.popleft()
                yield first, result.result()
        yield from ((record, result.result()) for record, result in waiting)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _with_files(
    checked: list[tuple[Record, Draft | Rejection]], rules: Rules
) -> Iterator[tuple[Record, Draft | Rejection]]:
    """Yield the results of `check_row`, with their files opened."""
    files = [result.file for _, result in checked if isinstance(result, Draft) and result.file is not None]
    opened = kinds.get(rules.kind).open(files, smaller=rules.smaller)
    for record, result in checked:
        if isinstance(result, Draft) and result.file is not None:
            file = next(opened)
            if isinstance(file, BadFile):
                yield record, bad_file(record, rules, file)
                continue
            result = result._replace(
                file=file.content, suffix=file.suffix, preview=file.preview, thumbnail=file.thumbnail
            )
        yield record, result
