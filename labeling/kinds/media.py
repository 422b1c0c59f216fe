"""Files of items, and blocks of their vectors. Written whole or not at all, and never changed."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings

from labeling import npy
from labeling.disk import FileDamaged, reading, replace_file
from labeling.shared_files import read_whole, store

# Nobody writes one file for so long.
DRAFT_SECONDS = 3600
# Of many files that are read together, those that are larger are not held.
HELD_BYTES = 1 << 20


def file_name(project_id: int, folder: str, content: bytes, suffix: str) -> str:
    """The name of a file, in the folder of its kind, follows from its content: taken in twice, it is stored once."""
    digest = hashlib.sha256(content).hexdigest()
    return f"{project_id}/{folder}/{digest[:2]}/{digest}{suffix}"


def path_of(name: str) -> Path:
    """Where the file lies, or a copy of it would: ask for one that is to be read by `local`."""
    return Path(settings.MEDIA_ROOT) / name


def local(name: str) -> Path:
    """The file, to be read. A copy here that is damaged is fetched anew. Raises OSError."""
    path = store().local(path_of(name))
    if not store().copies:
        return path
    stat = path.stat()
    if not _is_whole_copy(path, stat.st_ino, stat.st_size):
        store().drop_copy(path)
        return store().local(path)
    return path


@lru_cache(maxsize=4096)
def _is_whole_copy(path: Path, inode: int, size: int) -> bool:
    """Whether the content is as the file's name says, or the length of a smaller picture as that says. Remembered: one
    that is cut off has another size, one that is fetched anew another inode.
    """
    try:
        check_smaller(path) if "." in path.stem else check(path)
    except FileDamaged:
        return False
    return True


def bring(names: Iterable[str]) -> None:
    """Have files brought side by side that are about to be read one by one."""
    store().bring(path_of(name) for name in {name for name in names if name})


def smaller(name: str, size: str) -> str:
    """The name of a smaller picture of a file, "preview" or "thumbnail". It lies there only if the file is large."""
    return f"{name.rpartition('.')[0]}.{size}.webp"


def best(name: str, size: str) -> str:
    """The name of what is to be sent where this size is enough: the file itself if there is no smaller picture."""
    candidate = smaller(name, size)
    return candidate if store().exists(path_of(candidate)) else name


class Unread:
    """A large file that is there. Its bytes are read when they are asked for, and held by nobody in between.

    Pickled it is its bytes: another machine has not this one's disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __bytes__(self) -> bytes:
        return self._path.read_bytes()

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


def read(name: str, offset: int, blocks: dict[str, np.ndarray]) -> bytes | Unread | np.ndarray | None:
    """What is stored of an item: its file, its vector, or None if nothing is. Raises OSError or `FileDamaged`.

    `blocks` keeps the blocks of vectors that are open, from one item to the next.
    """
    if not name:
        return None
    if not name.endswith(".npy"):
        return read_whole(path_of(name), _read_file)
    if name not in blocks:
        blocks[name] = read_whole(path_of(name), lambda path: npy.load(path, mmap=True))
    return np.asarray(blocks[name][offset])


def _read_file(path: Path) -> bytes | Unread:
    check(path)
    return Unread(path) if path.stat().st_size > HELD_BYTES else path.read_bytes()


def check(path: Path) -> None:
    """Read an item's file, and hold it against its name, which follows from its content; a block of vectors against
    its own sums. Raises `FileDamaged`.
    """
    if path.suffix == ".npy":
        npy.check(path)
        return
    with reading(path) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != path.stem:
            raise FileDamaged(path, "its content does not match its name")


def check_smaller(path: Path) -> None:
    """Hold the length of a smaller picture against what it says of that. Raises `FileDamaged`."""
    with reading(path) as file:
        head = file.read(12)
        stated, length = int.from_bytes(head[4:8], "little") + 8, file.seek(0, io.SEEK_END)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or stated != length:
        raise FileDamaged(path, f"it has {length:,} bytes, and not {stated:,}")


def write(name: str, content: bytes, *, preview: bytes = b"", thumbnail: bytes = b"") -> None:
    """Store `content` under `name`, unless it is there already, and the smaller pictures of it that there are.

    `flush` before counting on it.
    """
    parts = {name: content, smaller(name, "preview"): preview, smaller(name, "thumbnail"): thumbnail}
    for each, part in parts.items():
        if part:
            store().write(path_of(each), part, drafts=_drafts(name.partition("/")[0]))


def share(name: str, project_id: int) -> str:
    """Store the file, or block, for another project too, and return its name there. `flush` before counting on it.

    On one disk that is a second name for the same bytes: they are never changed, and stay until both names are removed.
    A file that is gone stays away. Smaller pictures of it go with it.
    """
    shared = f"{project_id}/{name.partition('/')[2]}"
    for original, path in zip(_all_of(name), _all_of(shared), strict=True):
        with suppress(FileNotFoundError):
            store().link(original, path)
    return shared


def size_of(name: str) -> int:
    """Bytes of the file with the smaller pictures of it; 0 if it is gone."""
    size = 0
    for path in _all_of(name):
        with suppress(FileNotFoundError):
            size += store().size(path)
    return size


def remove(name: str) -> None:
    """Remove the file and the smaller pictures of it, as far as they are there."""
    for path in reversed(_all_of(name)):  # the file last: as long as it is there, it can be asked for again
        store().remove(path)


def _all_of(name: str) -> list[Path]:
    """Where the file lies, and where smaller pictures of it do if there are any."""
    sizes = () if name.endswith(".npy") else ("preview", "thumbnail")
    return [path_of(name), *(path_of(smaller(name, size)) for size in sizes)]


def write_block(name: str, vectors: np.ndarray) -> None:
    """Store a block of vectors, (m, length), at once on the disk.

    What is there is replaced: an attempt that did not count may have held other rows.
    """
    buffer = io.BytesIO()
    npy.write(buffer, vectors.astype(np.float32))
    replace_file(path_of(name), buffer.getvalue())
    store().publish(path_of(name))


def remove_drafts(project_id: int) -> None:
    """Remove files that a killed process had begun to write."""
    for draft in _drafts(str(project_id)).glob("*"):
        with suppress(FileNotFoundError):  # it was moved, or another import removes it
            if draft.stat().st_mtime < time.time() - DRAFT_SECONDS:
                draft.unlink()


def flush() -> None:
    """Wait until all that was written is safe. Raises OSError."""
    store().settle()


def _drafts(project_id: str) -> Path:
    return path_of(project_id) / "drafts"
