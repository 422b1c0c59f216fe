"""Check a Parquet file for decompression bombs, and compute how many of its rows fit into memory at once.

Runs as a script in a process of its own with limited memory, because some damaged footers make Arrow abort the process:

    python parquet_facts.py PATH MOST RATIO     prints {"problem": "…", "groups": [[rows, rows at once], …]}

A file of two kilobytes can expand to fifty megabytes a thousand times: the dictionary page of a column stores each text
once, and Arrow copies the text for every row of a batch.
"""

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
    """Return a message with the first column that expands to more than `ratio` times its size; "" without such a
    column.

    Lists may be compressed by repeated values.
    """
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
    """Return the number of rows of this group, 1 to `most`, that can be read at once within `_BATCH_BYTES`."""
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
    """Return the unpacked bytes of the chunk's dictionary page, from the header of its first page; 0 without one.

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
    """Parse the integer field at `at`; return its value and the position after it.

    The value is _UNKNOWN for another type of field or an unusual encoding.
    """
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
