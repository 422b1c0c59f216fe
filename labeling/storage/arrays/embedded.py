"""Embeddings that servers made of items' texts, kept so that no text is sent and paid for twice.

Each file has those of some texts, and its name begins with the encoder's digest: `items` (m,), `texts` (m,) with a hash
of what was sent, and `rows` (m, dim). No file is changed except to take out erased items. The features of a project are
a copy of these numbers, so a file that is missing or damaged costs another request, and nothing else.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from labeling.models import Item, ItemImport, Project
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import read_arrays, write_arrays
from labeling.storage.disk.files import FileDamaged, FileMissing
from labeling.storage.shared_files import read_whole, store

MOST_BYTES = 2 << 30
"""The most bytes for a project. Beyond it, the embeddings of other encoders are removed, and no more are kept."""
HASH_BYTES = 16
DIGITS = 16
"""Of the encoder's digest, in the name of a file."""

Kept = Mapping[str, np.ndarray]


def hash_of(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


class Embedded:
    """The embeddings by one encoder that a project has, and those of the project that it is a copy of."""

    def __init__(self, project: Project, digest: str) -> None:
        self._project = project
        self._folder = ProjectFiles(project).embedded
        self._name = digest[:DIGITS]
        self._bytes = store().size_below(self._folder)
        self._files: list[Path] = []
        parts: list[np.ndarray] = []
        for folder in (self._folder, *_folders_copied_from(project)):
            paths = [path for path in _files_in(folder) if path.name.startswith(f"{self._name}-")]
            store().bring(paths)
            for path in paths:
                self._files.append(path)
                parts.append(_read_archive(path, "texts").get("texts", _NONE))
        self._texts = np.concatenate([_NONE, *parts])
        self._of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        order = np.argsort(self._texts, kind="stable")
        self._texts, self._of = self._texts[order], self._of[order]

    def find(self, texts: Collection[bytes]) -> dict[bytes, np.ndarray]:
        """Return the embeddings that are kept of texts with these hashes."""
        wanted = np.array(sorted(texts), _NONE.dtype)
        if not len(self._texts):
            return {}
        at = np.minimum(np.searchsorted(self._texts, wanted), len(self._texts) - 1)
        by_file: dict[int, set[bytes]] = defaultdict(set)
        for place, text in zip(at, sorted(texts), strict=True):
            if _padded(self._texts[place]) == text:
                by_file[int(self._of[place])].add(text)
        found: dict[bytes, np.ndarray] = {}
        for number, of in by_file.items():
            kept = _read_archive(self._files[number], "texts", "rows")  # by now without an item that was erased
            pairs = zip(map(_padded, kept["texts"]), kept["rows"], strict=True) if kept else ()
            found |= {text: row for text, row in pairs if text in of}
        return found

    def keep(self, items: Sequence[int], texts: Sequence[bytes], rows: Sequence[np.ndarray]) -> None:
        """Store the embeddings of texts with these hashes, for as long as their items are there."""
        content = {"items": np.array(items, np.int64), "texts": np.array(texts, _NONE.dtype), "rows": np.stack(rows)}
        size = sum(array.nbytes for array in content.values())
        if self._bytes + size > MOST_BYTES:
            self._make_room()
        if self._bytes + size > MOST_BYTES:
            return
        path = self._folder / f"{self._name}-{uuid.uuid4().hex}.npz"
        write_arrays(path, content)
        self._bytes += size
        # After the write: of an item that is erased meanwhile, either this or the erasing finds the file.
        present = set(Item.objects.filter(pk__in=items).values_list("pk", flat=True))
        if gone := set(items) - present:
            _take_out(path, gone)

    def _make_room(self) -> None:
        for path in _files_in(self._folder):
            if not path.name.startswith(f"{self._name}-"):
                store().remove(path)
        self._bytes = store().size_below(self._folder)


_NONE = np.empty(0, f"S{HASH_BYTES}")


def forget(project: Project, items: Sequence[int]) -> None:
    """Remove what is kept of these items."""
    gone = set(items)
    for path in _files_in(ProjectFiles(project).embedded):
        _take_out(path, gone)


def _take_out(path: Path, gone: Collection[int]) -> None:
    """Write the file anew without these items. A damaged file is removed, because its content is unknown."""
    kept = _read_archive(path, "items")
    if kept and not np.isin(kept["items"], list(gone)).any():
        return
    kept = _read_archive(path, "items", "texts", "rows")
    stays = ~np.isin(kept["items"], list(gone)) if kept else np.zeros(0, bool)
    if stays.any():
        write_arrays(path, {name: array[stays] for name, array in kept.items()})
    else:
        store().remove(path)


def _folders_copied_from(project: Project) -> list[Path]:
    copies = ItemImport.objects.filter(project=project, copied_from__isnull=False).select_related("copied_from")
    originals = {copy.copied_from for copy in copies if copy.copied_from is not None}
    return [ProjectFiles(original).embedded for original in originals]


def _files_in(folder: Path) -> list[Path]:
    return [entry.path for entry in store().entries(folder) if entry.path.suffix == ".npz"]


def _read_archive(path: Path, *names: str) -> Kept:
    """Return these arrays of a file; none if it is missing or damaged."""
    try:
        return read_whole(path, lambda here: read_arrays(here, names))
    except (FileDamaged, FileMissing):
        return {}


def _padded(text: bytes) -> bytes:
    """Return the whole hash: NumPy takes zeros at the end for padding."""
    return bytes(text).ljust(HASH_BYTES, b"\0")
