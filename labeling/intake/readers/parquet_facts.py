"""What a Parquet file says of itself: whether it is a bomb, and how many of its rows fit into memory at once.

Run as a script, in a process of its own and of limited memory, because Arrow aborts the whole process on some damaged
footers:

    python parquet_facts.py PATH MOST RATIO     prints {"problem": "…", "groups": [[rows, rows at once], …]}

A file of two kilobytes can say "these fifty megabytes, a thousand times": texts and bytes are stored once, in the
dictionary page that a column begins with, and Arrow copies them out for every row of a batch.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

_MIB = 1024 * 1024
MEMORY_BYTES = 2048 * _MIB
_BATCH_BYTES = 64 * _MIB  # what the shared values of a batch may come to
_UNKNOWN = 1 << 62
_INT_AFTER_PREVIOUS = 0x15  # Thrift's compact protocol: the next field, a 32-bit integer
_DICTIONARY_PAGE = 2


def packing_problem(file: pq.ParquetFile, *, ratio: int) -> str:
    """Which column would unpack to more than `ratio` times its size; lists may be packed by repeating values."""
    for group in range(file.metadata.num_row_groups):
        chunks = file.metadata.row_group(group)
        for number in range(chunks.num_columns):
            chunk = chunks.column(number)
            unpacked = chunk.total_uncompressed_size
            if file.schema.column(number).max_repetition_level:
                unpacked = max(unpacked, 4 * chunk.num_values)
            if unpacked > max(64 * _MIB, ratio * chunk.total_compressed_size):
                return f"column {chunk.path_in_schema} would unpack to more than {ratio} times its size: it is not read"
    return ""


def rows_at_once(path: Path, group: pq.RowGroupMetaData, *, most: int) -> int:
    """Rows of this row group, 1 to `most`, whose shared values take no more memory than they should."""
    largest = 1
    with path.open("rb") as file:
        for number in range(group.num_columns):
            chunk = group.column(number)
            if chunk.physical_type != "BYTE_ARRAY":
                continue
            if "DELTA_BYTE_ARRAY" in chunk.encodings:  # values stored as what differs from the one before
                return 1
            largest = max(largest, _dictionary_size(file, chunk))
    return max(1, min(most, _BATCH_BYTES // largest))


def _dictionary_size(file: BinaryIO, chunk: pq.ColumnChunkMetaData) -> int:
    """Bytes that the chunk's dictionary page unpacks to, 0 if it has none: the head of its first page says so.

    https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, `PageHeader`: page type and
    unpacked size are its first two fields.
    """
    offsets = (chunk.dictionary_page_offset, chunk.data_page_offset)
    file.seek(min(offset for offset in offsets if offset is not None))
    head = file.read(32)
    kind, at = _integer(head, 0)
    unpacked, _ = _integer(head, at)
    return unpacked if kind in (_DICTIONARY_PAGE, _UNKNOWN) else 0


def _integer(head: bytes, at: int) -> tuple[int, int]:
    """The integer field at `at` and where the next begins; _UNKNOWN if it is none, or not written the usual way."""
    if head[at : at + 1] != bytes([_INT_AFTER_PREVIOUS]):
        return _UNKNOWN, at
    value = 0
    for shift, byte in enumerate(head[at + 1 : at + 6]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + shift + 2
    return _UNKNOWN, at


def main(path: Path, most: int, ratio: int) -> None:
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        facts = {
            "problem": packing_problem(file, ratio=ratio),
            "groups": [[group.num_rows, rows_at_once(path, group, most=most)] for group in groups],
        }
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
