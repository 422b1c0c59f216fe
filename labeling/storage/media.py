"""Store and read the files of items, and the files (blocks) with their vectors. Writes are atomic, files constant."""

import hashlib
import io
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings

from labeling.storage.disk import npy
from labeling.storage.disk.files import FileDamaged, reading, replace_file
from labeling.storage.shared_files import read_whole, store

# No process writes a file for this long: an older draft is left over from a killed process.
DRAFT_SECONDS = 3600
SIDE_BY_SIDE = 16
# `read` returns larger files as `Unread`, so that a caller that reads many files does not hold them in memory.
HELD_BYTES = 1 << 20


def file_name(project_id: int, folder: str, content: bytes, suffix: str) -> str:
    """Return the storage name of a file, made from the hash of its content, so that equal files are stored once."""
    digest = hashlib.sha256(content).hexdigest()
    return f"{project_id}/{folder}/{digest[:2]}/{digest}{suffix}"


def path_of(name: str) -> Path:
    """Return the path of the file, or of its copy on this host. Before reading a file, call `local`."""
    return Path(settings.MEDIA_ROOT) / name


def local(name: str) -> Path:
    """Return the path of the file for reading. A damaged copy on this host is fetched again. Raises OSError."""
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
    """Return whether the content matches the hash in the file's name; of a smaller picture, whether its length is
    right.

    The result is cached: a truncated copy has another size, and a copy that was fetched again has another inode.
    """
    try:
        check_smaller(path) if "." in path.stem else check_file(path)
    except FileDamaged:
        return False
    return True


def bring(names: Iterable[str]) -> None:
    """Bring these files to this host in parallel, before they are read one by one."""
    store().bring(path_of(name) for name in {name for name in names if name})


def smaller(name: str, size: str) -> str:
    """Return the name of a file's smaller picture; `size` is "preview" or "thumbnail". Small files have none."""
    return f"{name.rpartition('.')[0]}.{size}.webp"


def best(name: str, size: str) -> str:
    """Return the name of the file's picture of this size; the name of the file itself if it has no such picture."""
    candidate = smaller(name, size)
    return candidate if store().exists(path_of(candidate)) else name


class Unread:
    """A large file whose bytes are read only on demand, and not kept.

    It is pickled as its bytes, because another machine cannot read this machine's disk.
    """

    def __init__(self, read_bytes: Callable[[], bytes]) -> None:
        self._read_bytes = read_bytes

    def __bytes__(self) -> bytes:
        return self._read_bytes()

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


def read_content(name: str, offset: int, blocks: dict[str, np.ndarray]) -> bytes | Unread | np.ndarray | None:
    """Return the stored file or vector of an item; None for an item without either. Raises OSError or `FileDamaged`.

    `blocks` keeps the opened blocks of vectors for the next calls.
    """
    if not name:
        return None
    if not name.endswith(".npy"):
        return read_whole(path_of(name), _read_file)
    if name not in blocks:
        blocks[name] = read_whole(path_of(name), lambda path: npy.load(path, mmap=True))
    return np.asarray(blocks[name][offset])


def _read_file(path: Path) -> bytes | Unread:
    check_file(path)
    return Unread(path.read_bytes) if path.stat().st_size > HELD_BYTES else path.read_bytes()


def check_file(path: Path) -> None:
    """Read the file, and compare its content with the hash in its name, or with the checksums in a block of vectors.

    Raises `FileDamaged`.
    """
    if path.suffix == ".npy":
        npy.check_array(path)
        return
    with reading(path) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != path.stem:
            raise FileDamaged(path, "its content does not match its name")


def check_smaller(path: Path) -> None:
    """Compare the length of a smaller picture with the length in its WebP header. Raises `FileDamaged`."""
    with reading(path) as file:
        head = file.read(12)
        stated, length = int.from_bytes(head[4:8], "little") + 8, file.seek(0, io.SEEK_END)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or stated != length:
        raise FileDamaged(path, f"it has {length:,} bytes, and not {stated:,}")


def write_content(name: str, content: bytes, *, preview: bytes = b"", thumbnail: bytes = b"") -> None:
    """Store `content` under `name`, and its smaller pictures. Existing files stay. The files are safe after `flush`."""
    parts = {name: content, smaller(name, "preview"): preview, smaller(name, "thumbnail"): thumbnail}
    for each, part in parts.items():
        if part:
            store().write(path_of(each), part, drafts=_drafts(name.partition("/")[0]))


def share(name: str, project_id: int) -> str:
    """Store the file or block, with its smaller pictures, for another project too, and return its name there.

    On one disk the file gets a second name (a hard link), and its bytes stay until both names are removed. Missing
    files are ignored. The files are safe after `flush`.
    """
    shared = f"{project_id}/{name.partition('/')[2]}"
    for original, path in zip(_all_of(name), _all_of(shared), strict=True):
        with suppress(FileNotFoundError):
            store().link(original, path)
    return shared


def size_of(name: str) -> int:
    """Return the bytes of the file and its smaller pictures; 0 if they are missing."""
    return sum(_size(path) for path in _all_of(name))


def smaller_sizes(names: Iterable[str]) -> int:
    """Return the bytes of the smaller pictures of all these files, which are looked for in parallel."""
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="sizes") as threads:
        return sum(threads.map(_size, [path for name in names for path in _all_of(name)[1:]]))


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return store().size(path)
    return 0


def remove_content(name: str) -> None:
    """Remove the file and its smaller pictures, if they exist."""
    for path in reversed(_all_of(name)):  # the file last: while the file exists, the removal can be repeated
        store().remove(path)


def _all_of(name: str) -> list[Path]:
    """Return the paths of the file and of its smaller pictures, whether they exist or not."""
    sizes = () if name.endswith(".npy") else ("preview", "thumbnail")
    return [path_of(name), *(path_of(smaller(name, size)) for size in sizes)]


def write_block(name: str, vectors: np.ndarray) -> None:
    """Store a block of vectors, (m, length), as float32, and flush it to the disk.

    An existing block is replaced: it is from an attempt that failed, and may hold other rows.
    """
    buffer = io.BytesIO()
    npy.write_array(buffer, vectors.astype(np.float32))
    replace_file(path_of(name), buffer.getvalue())
    store().publish(path_of(name))


def remove_drafts(project_id: int, *, seconds: float = DRAFT_SECONDS) -> None:
    """Remove the drafts of files that killed processes have left behind: those that are older than `seconds`."""
    for draft in _drafts(str(project_id)).glob("*"):
        with suppress(FileNotFoundError):  # it was moved, or another import removes it
            if draft.stat().st_mtime < time.time() - seconds:
                draft.unlink()


def flush() -> None:
    """Wait until all files that this thread has written are safe. Raises OSError."""
    store().settle()


def _drafts(project_id: str) -> Path:
    return path_of(project_id) / "drafts"
