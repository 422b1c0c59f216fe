"""An Arrow file or stream (IPC, Feather version 2) as Parquet.

Run as a script, in a process of its own and of limited memory, because Arrow trusts the lengths in these files:

    python arrow_to_parquet.py FROM TO BYTES     writes at most this many bytes

Each batch of rows is validated before it is written. With the exit status PROBLEM the file is refused, for the reason
on the standard error.
"""

import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PROBLEM = 3
_MEMORY_BYTES = 4096 * 1024 * 1024
_ROWS_A_GROUP = 4096
_MAGIC = b"ARROW1"
_OLD_FEATHER = b"FEA1"


class _Refused(Exception):
    """The file is refused; the message ends the sentence "a.arrow: …"."""


def _batches(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema, and the batches as they are read."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    if head.startswith(_OLD_FEATHER):
        raise _Refused("this is Feather's version 1: write it again as version 2, or as Parquet")
    source = pa.OSFile(str(path))  # a map of the file would count as memory
    if head == _MAGIC:
        reader = pa.ipc.open_file(source)
        return reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))
    stream = pa.ipc.open_stream(source)
    return stream.schema, iter(stream)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that Parquet has for this one: views of texts and of bytes become long ones, also in lists, and
    in the dictionaries of polars' categories, which become their values.
    """
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind):
        value = _plain(kind.value_type)
        return kind if value == kind.value_type else value
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type), kind.list_size)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    return kind


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the array in its plain type. Arrow itself cannot decode dictionaries of views."""
    if array.type == kind:
        return array
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(array.indices, array.dictionary.cast(kind)).dictionary_decode()
    if pa.types.is_large_list(kind):
        as_large = array.cast(pa.large_list(array.type.value_type))
        values = _cast(as_large.values, kind.value_type)
        return pa.LargeListArray.from_arrays(as_large.offsets, values, mask=as_large.is_null()).cast(kind)
    if pa.types.is_fixed_size_list(kind):
        values = _cast(array.values, kind.value_type)
        return pa.FixedSizeListArray.from_arrays(values, kind.list_size, mask=array.is_null()).cast(kind)
    if pa.types.is_struct(kind):
        parts = [_cast(part, field.type) for part, field in zip(array.flatten(), kind, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=array.is_null())
    return array.cast(kind)


def main(path: Path, to: Path) -> None:
    schema, batches = _batches(path)
    plain = pa.schema([field.with_type(_plain(field.type)) for field in schema], schema.metadata)
    try:
        writer = pq.ParquetWriter(to, plain, compression="none", use_dictionary=False)
    except pa.ArrowNotImplementedError as error:
        raise _Refused(f"a column has a type that is not read ({str(error).splitlines()[0]}): leave it out") from error
    with writer:
        for batch in batches:
            batch.validate(full=True)
            columns = [_cast(column, field.type) for column, field in zip(batch.columns, plain, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=plain), row_group_size=_ROWS_A_GROUP)


if __name__ == "__main__":
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except _Refused as refused:
        sys.stderr.write(str(refused))
        sys.exit(PROBLEM)
