"""A file of rows of a dataset version, and several files that stand for one set of rows.

A file is Parquet. The first version writes a file with all rows; each later one a file with the rows that changed, and
with a row without digest for each item that is no longer in the set.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labeling.storage.disk.files import FileDamaged, FileMissing, replacing

DIGEST_BYTES = 32
SCHEMA = pa.schema(
    [
        ("item", pa.int64()),
        ("digest", pa.binary(DIGEST_BYTES)),  # of the row as a line of JSONL; null: no longer in the set
        ("stamp", pa.string()),
        ("label", pa.string()),
        ("origin", pa.string()),
        ("pool_row", pa.int64()),
        ("split", pa.string()),
        ("data", pa.string()),  # apart from the row: JSON whose numbers may be of any length
        ("row", pa.string()),
    ]
)
FACTS = ["label", "origin"]
CONTENT = ["item", "pool_row", "split", "data", "row"]
ROW_GROUP = 20_000


@dataclass(frozen=True)
class Index:
    """The rows of a set by item, ascending; (N,) each."""

    items: np.ndarray
    """int64, the keys of the items."""
    digests: np.ndarray
    """(N, 32) uint8."""
    table: pa.Table
    """The chosen columns of each, and `layer`: the place of its file."""

    def __len__(self) -> int:
        return len(self.items)

    def places(self, items: np.ndarray) -> np.ndarray:
        """Return the places of these items (M,), and -1 for each that is not in the set."""
        return places_in(self.items, items)


def write_layer(path: Path, batches: Iterable[pa.RecordBatch]) -> int:
    """Write rows to a new file; return their number."""
    written = 0
    with replacing(path) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(batch, row_group_size=ROW_GROUP)
                written += batch.num_rows
    return written


def batch_of(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> pa.RecordBatch:
    """Return rows with these columns of `SCHEMA`, (N,) each; the other columns are null."""
    missing = pa.nulls(len(columns["item"]))
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[field.name], field.type) if field.name in columns else missing.cast(field.type)
         for field in SCHEMA],
        schema=SCHEMA,
    )  # fmt: skip


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of about `ROW_GROUP`."""
    pending: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        pending.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP:
            yield pa.concat_batches(pending)
            pending, rows = [], 0
    if pending:
        yield pa.concat_batches(pending)


def index_of(paths: Sequence[Path], columns: Sequence[str] = ()) -> Index:
    """Return the rows that these files stand for, the first file first, with these columns of their table. Raises
    `FileDamaged` or `FileMissing`.
    """
    names = ["item", "digest", *columns]
    tables = [_read(path, names) for path in paths]
    layers = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table().select(names)
    items = table["item"].to_numpy()
    # The last row of each item: items ascending, and for each the later files last.
    order = np.lexsort((layers, items))
    last = np.append(items[order][1:] != items[order][:-1], True) if len(order) else np.empty(0, bool)
    kept = order[last]
    kept = kept[table["digest"].is_valid().to_numpy()[kept]]
    chosen = table.take(kept)
    digests = np.frombuffer(chosen["digest"].combine_chunks().buffers()[1] or b"", np.uint8)[: len(kept) * DIGEST_BYTES]
    facts = chosen.select(list(columns)).append_column("layer", pa.array(layers[kept]))
    return Index(items[kept], digests.reshape(-1, DIGEST_BYTES), facts.combine_chunks())


def read_rows(paths: Sequence[Path], *, size: int) -> Iterator[pa.Table]:
    """Yield the `CONTENT` of all rows that these files stand for, `size` at a time, as they were written."""
    index = index_of(paths)
    layers = index.table["layer"].to_numpy()
    for place, path in enumerate(paths):
        mine = index.items[layers == place]  # ascending, as the index is
        for batch in _batches(path, CONTENT, size):
            kept = pa.array(places_in(mine, batch["item"].to_numpy()) >= 0)
            if table := pa.Table.from_batches([batch.filter(kept)]):
                yield table


def stored(paths: Sequence[Path], *, keep_gone: bool) -> Iterator[pa.RecordBatch]:
    """Yield the whole rows that these files stand for. `keep_gone`: also rows that take an item out."""
    in_files = [items_of(path) for path in paths]
    for place, path in enumerate(paths):
        later = np.unique(np.concatenate([*in_files[place + 1 :], np.empty(0, np.int64)]))
        for batch in without(path, later):
            yield batch if keep_gone else batch.filter(batch["digest"].is_valid())


def without(path: Path, items: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Yield the whole rows of a file, but those of these items, which are ascending."""
    for batch in _batches(path, SCHEMA.names, ROW_GROUP):
        yield batch.filter(pa.array(places_in(items, batch["item"].to_numpy()) < 0))


def _batches(path: Path, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
    with _opened(path) as file:
        yield from file.iter_batches(size, columns=columns)


def places_in(ascending: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the places (M,) of items in an ascending array, and -1 for each that is not there."""
    if not len(ascending):
        return np.full(len(items), -1)
    places = np.minimum(np.searchsorted(ascending, items), len(ascending) - 1)
    return np.where(ascending[places] == items, places, -1)


def items_of(path: Path) -> np.ndarray:
    """Return the items of a file, with those that it takes out."""
    return np.asarray(_read(path, ["item"])["item"].to_numpy())


def _read(path: Path, columns: list[str]) -> pa.Table:
    with _opened(path) as file:
        return file.read(columns)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file of rows. Raises `FileMissing`, or `FileDamaged` if it cannot be read to its end."""
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise FileMissing(path) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise FileDamaged(path, f"it is no Parquet file ({error})") from error
    with file:
        try:
            yield file
        except FileDamaged:
            raise
        except (pa.ArrowInvalid, OSError) as error:
            raise FileDamaged(path, f"it cannot be read ({error})") from error
