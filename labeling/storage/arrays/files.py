"""The paths of a project's arrays and artifacts, below DATA_DIR/projects/<id>/, and functions that read and write them.

encoder-<generation>.npz        the frozen encoder's state
features-<generation>.bin       one row an item; readers ignore rows from Project.encoded_rows on; .json: dtype, length
                                of a row. The generation after the project's is that of its `EncoderChange`.
models/v<number>/, r<key>/      the artifact of a trained version, and of a registered one by the key of its
                                registration, unless MODEL_STORE names another place
training.safetensors            the state of the running training, so that a killed training resumes
pool/v<number>/*.npy            the version's predictions for every row: margins, best, confidence, for `multi` the
                                whole answer and its probability (chosen, sureness), and the arrays that
                                the batch's strategy needs, such as entropies, errors, embeddings. Errors and
                                embeddings are kept of the version that picked last; embeddings also of the version
                                whose embeddings were clustered.
dendrogram.npz, joins.npy       the clustering, and the clustered row that each later row joined; from the second
                                clustering on dendrogram-<g>.npz, joins-<g>.npy. Earlier ones stay: batches were picked
                                by them.
maps/batch-<number>.npz         the map of a batch in the pool
embedded/*.npz                  embeddings that servers made of items' texts: `labeling.storage.arrays.embedded`
predictions/<id>.jsonl          a version's predictions for the items of an uploaded file, kept for a time
baseline.npz                    predictions of temporary models that learned from uniform labels alone
sample.npz                      a sample of the pool, from which pages forecast the effect of settings
"""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
from django.conf import settings
from django.db.models import Max

from labeling.models import ModelVersion, Project
from labeling.models.files import FileOwner
from labeling.storage.arrays.damage import report_damage, root_of
from labeling.storage.arrays.features import Features, shape_of
from labeling.storage.arrays.forms import FORMS, fitted
from labeling.storage.disk import npy
from labeling.storage.disk.files import FileDamaged, make_room, replacing
from labeling.storage.shared_files import read_whole, store

HASH_BLOCK_BYTES = 1 << 24


class ProjectFiles:
    """The paths of a project's files, and access to its arrays."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.root = root_of(project)
        self.sample = self.root / "sample.npz"
        self.baseline = self.root / "baseline.npz"

    @property
    def embedded(self) -> Path:
        """Return the folder of the embeddings that servers made."""
        return self.root / "embedded"

    def encoder(self, generation: int) -> Path:
        return self.root / f"encoder-{generation}.npz"

    def features(self, generation: int) -> Path:
        return self.root / f"features-{generation}.bin"

    def artifact(self, number: int) -> str:
        """Return the path or URL of a new version's artifact, in the form that the version's row records."""
        return self._model(f"v{number}")

    def registered(self, key: int) -> str:
        """Return the place of a registered version by the key of its registration: a training can have its number."""
        return self._model(f"r{key}")

    def _model(self, name: str) -> str:
        folder = f"models/{name}"
        store = settings.MODEL_STORE.rstrip("/")
        return f"{store}/projects/{self.project.pk}/{folder}" if store else folder

    def artifact_at(self, recorded: str) -> str:
        """Return the absolute location of a version's files, a path or a URL, from the recorded one.

        It does not depend on MODEL_STORE, which may have changed since.
        """
        return recorded if "://" in recorded else str(self.root / recorded)

    @property
    def checkpoint(self) -> Path:
        return self.root / "training.safetensors"

    @property
    def pretraining(self) -> Path:
        return self.root / "pretraining.safetensors"

    def calibrating(self, version: ModelVersion) -> Path:
        """Return the checkpoint of the trainings that calibrate a version."""
        return self.root / f"calibrating-v{version.number}.safetensors"

    def dendrogram(self, generation: int) -> Path:
        return self.root / f"dendrogram{'' if generation == 1 else f'-{generation}'}.npz"

    def joins(self, generation: int) -> Path:
        return self.root / f"joins{'' if generation == 1 else f'-{generation}'}.npy"

    def map(self, batch: int) -> Path:
        return self.root / "maps" / f"batch-{batch}.npz"

    def owned(self, row: FileOwner) -> Path:
        """Return the file that the row owns."""
        return self.root / row.file_name

    def pool(self, version: ModelVersion, name: str) -> Path:
        return self.root / "pool" / f"v{version.number}" / f"{name}.npy"

    def has_predicted(self, version: ModelVersion) -> bool:
        """Return whether the version's whole answers for the pool are stored."""
        return all(store().exists(self.pool(version, name)) for name in self.project.asks.answer_arrays)

    def predictions(self, version: ModelVersion, name: str, rows: np.ndarray) -> np.ndarray | None:
        """Return the version's `best` or `confidence` for the first of `rows` (n,), ascending: those that it has
        predicted.

        None if the array is not stored or damaged.
        """
        pool = self.answers(version, name)
        return None if pool is None else np.asarray(pool[rows[rows < len(pool)]])

    def answers(self, version: ModelVersion, name: str = "best") -> np.ndarray | None:
        """Return the version's array `name` of all rows that it has predicted, as a memory map.

        None if the array is not stored, or damaged; a damaged array is reported, and a worker rebuilds it.
        """
        if not version.answers and name in ("best", "confidence", *self.project.asks.answer_arrays):
            return None
        try:
            return self.read(version, name, load=load_mapped)
        except FileDamaged as damage:
            report_damage(self.project, damage)
            return None

    def read(
        self,
        version: ModelVersion,
        name: str,
        *,
        rows: int | None = None,
        width: int | None = None,
        load: Callable[[Path], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return the version's array `name` of the first `rows` rows of the pool, or of all that it has predicted.

        `load`: `load_array` (the default), `load_checked` or `load_mapped`. Raises `FileMissing`, and `FileDamaged`
        also for a whole array that does not fit (`labeling.storage.arrays.forms`).
        """
        path = self.pool(version, name)
        return fitted(path, (load or load_array)(path), FORMS[name], rows=rows, width=width)

    def rows_picked_from(self, version: ModelVersion) -> int:
        """Return the most rows that the version has picked a batch from: its arrays have them. Takes two queries."""
        tables = (version.batch_picks, version.selection_picks)
        return max(picks.aggregate(n=Max("pool_rows"))["n"] or 0 for picks in tables)

    def features_of(self, *, rows: int, dim: int, dtype: np.dtype, generation: int | None = None) -> Features:
        """Return the first `rows` rows of the features, of the project's generation unless another is named."""
        return Features(self.features(generation or self.project.features_generation), (rows, dim), dtype)

    def forget_features(self, generation: int) -> None:
        """Remove the features of all generations before this one. Their encoders stay, for versions of that time."""
        for earlier in range(1, generation):
            self.forget(earlier)

    def forget(self, generation: int) -> None:
        """Remove the features of one generation."""
        for path in (self.features(generation), shape_of(self.features(generation))):
            store().remove(path)

    def stored_features(self) -> Features | None:
        """Return the project's features, with the shape and dtype from the .json file in place of the encoder's.

        None if that file cannot be read.
        """
        path, rows = self.features(self.project.features_generation), self.project.encoded_rows
        try:
            shape = orjson.loads(store().local(shape_of(path)).read_bytes())
            return self.features_of(rows=rows, dim=shape["dim"], dtype=np.dtype(shape["dtype"]))
        except (OSError, ValueError, KeyError):
            return None


def save_array(path: Path, array: np.ndarray) -> None:
    """Save an array as .npy, in one atomic step."""
    with replacing(path) as file:
        npy.write_array(file, array)
    store().publish(path)


@contextmanager
def writing_array(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.memmap]:
    """Yield a new array on disk to fill, perhaps larger than memory. On exit it is stored at `path` as .npy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        array = np.lib.format.open_memmap(unfinished, "w+", dtype, shape)
        yield array
        array.flush()
        with unfinished.open("r+b") as file:
            npy.seal(file)
            file.flush()
            os.fsync(file.fileno())
        make_room(path)
        unfinished.replace(path)
        store().publish(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_array(path: Path, *, mmap: bool = False) -> np.ndarray:
    """Load an array that `save_array` or `writing_array` wrote, with every byte checked.

    With `mmap`, return a memory map and check only size and header. Raises `FileMissing` (a FileNotFoundError) or
    `FileDamaged`.
    """
    return read_whole(path, lambda here: npy.load(here, mmap=mmap))


def load_mapped(path: Path) -> np.ndarray:
    """Load an array as a memory map, with size and header checked."""
    return load_array(path, mmap=True)


def load_checked(path: Path) -> np.ndarray:
    """Load an array as a memory map with every byte checked: for an array that the caller reads as a whole."""
    check_array(path)
    return load_mapped(path)


def check_array(path: Path) -> None:
    """Check every byte of a stored array, with little memory. Raises `FileMissing` or `FileDamaged`."""
    read_whole(path, npy.check_array)


def sha256_of(array: np.ndarray) -> str:
    """Return the SHA-256 (hex) of the bytes of a C-ordered array. Reads blocks: a memory map stays on disk."""
    digest = hashlib.sha256()
    rows = max(1, HASH_BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()
