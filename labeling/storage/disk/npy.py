"""Read and write arrays in .npy files with checksums that reveal damage.

The checksums follow the array, where readers of .npy do not look: a CRC-32 of the header, one of each mebibyte of the
array, and an end with a mark, the number of checksums, and a checksum of the checksums. Of a file without checksums,
from an earlier release, only the size is checked.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import IO, BinaryIO, NamedTuple

import numpy as np

from labeling.storage.disk.files import FileDamaged, reading

HEADER_BYTES = 128
BLOCK_BYTES = 1 << 20
_END = struct.Struct("<8sII")
_MARK = b"\x93NPYSUM\x01"
# numpy writes no longer header.
MOST_HEADER_BYTES = 1 << 16


# The errors of numpy for a damaged header, which it parses as Python.
NOT_A_HEADER = (ValueError, SyntaxError, TypeError, KeyError, EOFError, RecursionError, MemoryError, TokenError)


class _Array(NamedTuple):
    """An array in a file: its first byte, its size in bytes, and its checksums (None if the file has none)."""

    dtype: np.dtype
    shape: tuple[int, ...]
    order: str
    start: int
    size: int
    sums: tuple[int, ...] | None


def write_array(file: BinaryIO, array: np.ndarray) -> None:
    """Write the array and its checksums to an empty file, without copying the array in memory."""
    array = np.asarray(array, order="C")
    if array.dtype.hasobject:
        raise ValueError("an array of objects would be a pickle")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    sums = [zlib.crc32(header.getvalue())]
    file.write(header.getvalue())
    for block in _blocks(array.reshape(-1).view(np.uint8)):
        file.write(block.data)
        sums.append(zlib.crc32(block.data))
    file.write(_end(sums))


def file_bytes(array_bytes: int) -> int:
    """Return the size of the file of an array of `array_bytes` with the usual header of 128 bytes."""
    return HEADER_BYTES + array_bytes + 4 * (1 + math.ceil(array_bytes / BLOCK_BYTES)) + _END.size


def seal(file: BinaryIO) -> None:
    """Append the checksums to a file with an array. The file is open for reading and writing."""
    file.seek(0)
    read_header(file)
    start = file.tell()
    file.seek(0)
    sums = [zlib.crc32(file.read(start))]
    while block := file.read(BLOCK_BYTES):
        sums.append(zlib.crc32(block))
    file.write(_end(sums))


def _end(sums: Sequence[int]) -> bytes:
    packed = struct.pack(f"<{len(sums)}I", *sums)
    return packed + _END.pack(_MARK, len(sums), zlib.crc32(packed))


def load(path: Path, *, mmap: bool = False) -> np.ndarray:
    """Return the array of a file, after a check of all its bytes; with `mmap`, a memory map after a check of size and
    header.

    Raises `FileMissing` or `FileDamaged`.
    """
    with reading(path) as file:
        array = _read_array_facts(path, file)
        if mmap and array.size:
            # Read-only. The map outlives the closing and the removal of the file.
            return np.memmap(file, array.dtype, "r", array.start, array.shape, "F" if array.order == "F" else "C")
        content = np.empty(array.size, np.uint8)
        for number, block in enumerate(_blocks(content)):
            if file.readinto(block.data) != len(block):
                raise FileDamaged(path, "it was truncated while it was read")
            _check_block(path, array, number, block.data)
    return content.view(array.dtype).reshape(array.shape, order="F" if array.order == "F" else "C")


def check_array(path: Path) -> None:
    """Read the whole file. Raises `FileMissing`, or `FileDamaged` if its size or a checksum is wrong."""
    with reading(path) as file:
        array = _read_array_facts(path, file)
        for number in range(-(-array.size // BLOCK_BYTES)):
            left = array.size - number * BLOCK_BYTES
            _check_block(path, array, number, file.read(min(BLOCK_BYTES, left)))


def _blocks(content: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(content), BLOCK_BYTES):
        yield content[start : start + BLOCK_BYTES]


def _check_block(path: Path, array: _Array, number: int, block: bytes | memoryview) -> None:
    if array.sums is not None and zlib.crc32(block) != array.sums[number + 1]:
        first = array.start + number * BLOCK_BYTES
        raise FileDamaged(path, f"the bytes from {first:,} to {first + len(block):,} do not match their sum")


def _read_array_facts(path: Path, file: BinaryIO) -> _Array:
    """Check the file's header, size and end, and leave the file's position at the first byte of the array."""
    length = file.seek(0, io.SEEK_END)
    sums = _read_sums(path, file, length)
    file.seek(0)
    head = file.read(MOST_HEADER_BYTES)
    start = _header_length(head)
    if sums is not None and zlib.crc32(head[:start]) != sums[0]:
        raise FileDamaged(path, "its header does not match its sum")
    try:
        shape, is_fortran, dtype = read_header(io.BytesIO(head))
    except NOT_A_HEADER as error:
        raise FileDamaged(path, f"it is no array, it has {length:,} bytes") from error
    size = dtype.itemsize
    for side in shape:
        size *= side
    n_sums = 1 - (-size // BLOCK_BYTES)
    expected = start + size + (0 if sums is None else 4 * n_sums + _END.size)
    if dtype.hasobject or length != expected or (sums is not None and len(sums) != n_sums):
        raise FileDamaged(path, f"it has {length:,} bytes, and not {expected:,}")
    file.seek(start)
    return _Array(dtype, shape, "F" if is_fortran else "C", start, size, sums)


def _read_sums(path: Path, file: BinaryIO, length: int) -> tuple[int, ...] | None:
    """Return the checksums at the end of the file; None if the file has none."""
    if length < _END.size:
        return None
    file.seek(length - _END.size)
    mark, count, own = _END.unpack(file.read(_END.size))
    if mark != _MARK:
        return None
    begin = length - _END.size - 4 * count
    if begin < 0:
        raise FileDamaged(path, "its sums are damaged")
    file.seek(begin)
    packed = file.read(4 * count)
    if zlib.crc32(packed) != own or not count:
        raise FileDamaged(path, "its sums are damaged")
    return struct.unpack(f"<{count}I", packed)


def _header_length(head: bytes) -> int:
    """Return the number of bytes in front of the array, from the length field of the header."""
    if head[6:7] == b"\x01":
        return 10 + int.from_bytes(head[8:10], "little")
    return 12 + int.from_bytes(head[8:12], "little")


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return the shape of the array, whether it is in Fortran's order, and its type. Raises one of NOT_A_HEADER."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version}")
