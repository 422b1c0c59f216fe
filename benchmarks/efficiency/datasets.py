"""The data sets of the benchmarks: a pool, and test items that no model learns from."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, make_classification

from models_store.encoders.pixels import Pixels
from models_store.encoders.tfidf_svd import TfidfSvd
from models_store.encoders.vector import Vector

FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
COPIES = 5
DISTINCT = 12_000
NOISE = 8.0
"""Standard deviation of the noise on each copy, of 255 grey levels: it can be measured and hardly be seen."""
LEAST_COMMON = 0.01
"""Of the long-tailed version: items of the rarest class for each of the most common one."""
SIDE = 28


class DataError(ValueError):
    """Data that is missing or unusable. The message is one line for the user."""


@dataclass(frozen=True, eq=False)
class Data:
    """features (n, d) and labels (n,) of the pool and of the test items. Labels are 0 … n_classes - 1, or, of several
    classes an item, (n, n_classes) bool.
    """

    name: str
    features: np.ndarray
    labels: np.ndarray
    test_features: np.ndarray
    test_labels: np.ndarray
    n_classes: int
    input_shape: tuple[int, ...]

    @cached_property
    def digest(self) -> str:
        """Return a digest of the data, to recognise saved results of the same data."""
        sha = hashlib.sha256(repr((self.input_shape, self.n_classes)).encode())
        for array in (self.features, self.labels, self.test_features, self.test_labels):
            sha.update(f"{array.dtype.str} {array.shape}".encode())
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()[:16]


@dataclass(frozen=True)
class Source:
    """The origin of the data, small enough to send to another process."""

    name: str
    fashion_folder: Path = FASHION_FOLDER
    network: str = "mlp"
    pool: int | None = None
    """Take so many items of the pool, at random; None takes all."""
    vectors: Path | None = None
    labels: Path | None = None
    several: bool = False
    """Labels in a file may be (n, classes) of 0 and 1: any number of classes an item."""
    test_share: float = 0.3
    wrong_answers: float = 0.0
    """The share of the pool's items to which people give a wrong answer."""
    broken_items: float = 0.0
    """The share of the pool's items that are of no class, and get an answer at random."""

    @property
    def is_split(self) -> bool:
        """Whether the data set has no test items of its own, so that its test items are drawn from its pool."""
        return self.vectors is not None or self.name not in IMAGES

    def load(self, seed: int) -> Data:
        """Load the data of one seed. Raises DataError.

        What is random (which items are test items where the set does not say, which images are repeated, the noise)
        differs from seed to seed, so that intervals over seeds cover it.
        """
        rng = np.random.default_rng([seed, 7])
        if self.vectors is not None:
            assert self.labels is not None
            data = _split(
                self.name, *_read_arrays(self.vectors, self.labels, several=self.several), self.test_share, rng
            )
        else:
            data = {**BUILT_IN, **FURTHER}[self.name](self, rng)
        if self.pool is not None:
            data = _thinned(data, self.pool, rng, copies=COPIES if self.name == "redundant" else 1)
        if self.broken_items:
            data = _broken(data, self.broken_items, rng)
        if self.wrong_answers:
            data = _misanswered(data, self.wrong_answers, rng)
        return _as_pixels(data) if self.network == "convnet" else data


def _fashion(source: Source, rng: np.random.Generator) -> Data:
    """Load Fashion-MNIST: 60,000 images of 28 x 28 greys in 10 classes, and its 10,000 test images."""
    arrays = [
        _read_idx(source.fashion_folder, f"{part}-{kind}")
        for part in ("train", "t10k")
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]
    pool, labels, test, test_labels = arrays
    return Data(
        source.name,
        pool.reshape(len(pool), -1),
        labels.astype(np.int64),
        test.reshape(len(test), -1),
        test_labels.astype(np.int64),
        n_classes=10,
        input_shape=(SIDE * SIDE,),
    )


def _redundant(source: Source, rng: np.random.Generator) -> Data:
    """Load 12,000 of the images, each five times with its own slight noise."""
    data = _fashion(source, rng)
    # Copies of an image lie side by side, which `_thinned` counts on. No strategy looks at the order.
    rows = np.repeat(rng.choice(len(data.labels), DISTINCT, replace=False), COPIES)
    noisy = data.features[rows] + rng.normal(0, NOISE, (len(rows), data.features.shape[1])).astype(np.float32)
    features = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return replace(data, features=features, labels=data.labels[rows])


def _longtail(source: Source, rng: np.random.Generator) -> Data:
    """Thin out the classes geometrically from 6,000 to 60 items. The test items stay balanced."""
    data = _fashion(source, rng)
    shares = LEAST_COMMON ** (np.arange(data.n_classes) / (data.n_classes - 1))
    of_class = [rng.permutation(np.flatnonzero(data.labels == index)) for index in range(data.n_classes)]
    rows = np.sort(
        np.concatenate([items[: round(share * len(items))] for items, share in zip(of_class, shares, strict=True)])
    )
    return replace(data, features=data.features[rows], labels=data.labels[rows])


def _digits(source: Source, rng: np.random.Generator) -> Data:
    """Load scikit-learn's 1,797 digits of 8 x 8 greys."""
    features, labels = load_digits(return_X_y=True)
    return _split(source.name, Vector(features.shape[1]).encode(features), labels, source.test_share, rng)


def _noisy(source: Source, rng: np.random.Generator) -> Data:
    """Make 3,000 vectors of five classes, a tenth with random labels: no model is right on more than 92 %."""
    made = make_classification(
        3000, 20, n_informative=10, n_redundant=5, n_classes=5, n_clusters_per_class=1, class_sep=1.5, flip_y=0.1,
        random_state=int(rng.integers(2**31)),
    )  # fmt: skip
    return _split(source.name, made[0].astype(np.float32), made[1], source.test_share, rng)


def _uneven(source: Source, rng: np.random.Generator) -> Data:
    """Make 3,000 vectors of seven overlapping classes, two of which hold 85 %, as in Forest Covertypes."""
    made = make_classification(
        3000, 20, n_informative=8, n_redundant=5, n_classes=7, n_clusters_per_class=2, class_sep=1.0, flip_y=0.0,
        weights=[0.37, 0.48, 0.06, 0.01, 0.02, 0.03, 0.03], random_state=int(rng.integers(2**31)),
    )  # fmt: skip
    return _split(source.name, made[0].astype(np.float32), made[1], source.test_share, rng)


def _pairs(source: Source, rng: np.random.Generator) -> Data:
    """Make 4,000 items of two digits side by side. Each item has the classes of the digits that it shows, one or two of
    ten.
    """
    features, labels = load_digits(return_X_y=True)
    shown = rng.integers(len(labels), size=(4000, 2))
    classes = (labels[shown][:, :, None] == np.arange(10)).any(axis=1)
    return _split(
        source.name, Vector(128).encode(features[shown].reshape(len(shown), -1)), classes, source.test_share, rng
    )


def _texts(source: Source, rng: np.random.Generator) -> Data:
    """Load the 22,432 entries of GCIDE that name one of ten fields, as latent semantic vectors."""
    from benchmarks.privacy import dictionary  # which needs this module

    named = [found for text in dictionary.entries() if (found := dictionary.subject(text))]
    texts, labels = [text for text, _ in named], np.array([field for _, field in named])
    encoder = TfidfSvd.fit([texts[row] for row in rng.permutation(len(texts))[: TfidfSvd.fit_samples]])
    return _split(source.name, encoder.encode(texts), labels, source.test_share, rng)


BUILT_IN: dict[str, Callable[[Source, np.random.Generator], Data]] = {
    "fashion": _fashion,
    "redundant": _redundant,
    "longtail": _longtail,
    "digits": _digits,
}
FURTHER = {"pairs": _pairs, "texts": _texts, "noisy": _noisy, "uneven": _uneven}
"""Pools that are used only where they are named."""
IMAGES = ("fashion", "redundant", "longtail")


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """Read an array of bytes in LeCun's IDX format: two zero bytes, 8, the number of dimensions, their lengths,
    data.
    """
    path = folder / f"{name}.gz"
    try:
        raw = gzip.decompress(path.read_bytes()) if path.exists() else (folder / name).read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"Fashion-MNIST cannot be read from {folder} ({name}[.gz]: {error}): "
            "install Debian's package dataset-fashion-mnist, or name the folder that holds it with --fashion."
        ) from error
    dimensions = raw[3] if len(raw) > 4 and raw[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(raw[4 : 4 + 4 * dimensions], ">i4")
    if not dimensions or len(raw) != 4 + 4 * dimensions + np.prod(shape, dtype=np.int64):
        raise DataError(f"{folder / name} is not an IDX file of bytes, or is cut short.")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _read_arrays(vectors: Path, labels: Path, *, several: bool) -> tuple[np.ndarray, np.ndarray]:
    """Read (n, d) float32 vectors and (n,) class numbers from two .npy files. Labels may be any numbers or texts, and
    (n, classes) of 0 and 1 if there may be several classes an item, which comes back as bool.
    """
    x, y = _read_npy(vectors), _read_npy(labels)
    if x.ndim != 2 or x.dtype.kind not in "fiub" or not x.size:
        raise DataError(f"{vectors}: expected (n, d) numbers, not the shape {x.shape} of {x.dtype}.")
    if several and y.ndim == 2 and y.dtype.kind in "iub" and len(y) == len(x):
        if y.shape[1] < 2 or not np.isin(y, (0, 1)).all():
            raise DataError(f"{labels}: expected 0 and 1 for each of several classes.")
        return _as_float(vectors, x), y.astype(bool)
    if y.ndim != 1 or y.dtype.kind not in "iubUS" or len(y) != len(x):
        raise DataError(f"{labels}: expected {len(x)} whole numbers or texts, not the shape {y.shape} of {y.dtype}.")
    names, classes = np.unique(y, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"{labels}: all items are of one class.")
    return _as_float(vectors, x), classes.astype(np.int64)


def _as_float(vectors: Path, x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise DataError(f"{vectors}: holds a number that is not finite in float32.")
    return x


def _read_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as a .npy file ({error}).") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: expected a .npy file with one array.")
    return array


def _split(name: str, features: np.ndarray, labels: np.ndarray, test_share: float, rng: np.random.Generator) -> Data:
    """Split a random share of the items off as test items."""
    order = rng.permutation(len(labels))
    tests = round(test_share * len(labels))
    if not 0 < tests < len(labels):
        raise DataError(f"{name}: a test share of {test_share:g} of {len(labels)} items leaves nothing to compare.")
    test, pool = order[:tests], np.sort(order[tests:])
    return Data(
        name,
        features[pool],
        labels[pool],
        features[test],
        labels[test],
        n_classes=int(labels.max()) + 1 if labels.ndim == 1 else labels.shape[1],
        input_shape=(features.shape[1],),
    )


def _thinned(data: Data, pool: int, rng: np.random.Generator, *, copies: int) -> Data:
    """Draw `pool` items at random; if items are repeated in a row, draw whole groups."""
    groups = len(data.labels) // copies
    kept = np.sort(rng.choice(groups, min(max(pool // copies, 1), groups), replace=False))
    rows = (copies * kept[:, None] + np.arange(copies)).reshape(-1)
    return replace(data, features=data.features[rows], labels=data.labels[rows])


def _misanswered(data: Data, share: float, rng: np.random.Generator) -> Data:
    """Replace this share of the pool's labels by another class at random. The test items keep their classes."""
    wrong = rng.random(len(data.labels)) < share
    moved = (data.labels + rng.integers(1, data.n_classes, len(data.labels))) % data.n_classes
    return replace(data, labels=np.where(wrong, moved, data.labels))


def _broken(data: Data, share: float, rng: np.random.Generator) -> Data:
    """Break this share of the pool's items: each number comes from another of them, with as much noise as the column
    varies, and the label is random. The test items stay whole.
    """
    rows = np.flatnonzero(rng.random(len(data.labels)) < share)
    features, labels = data.features.astype(np.float32), data.labels.copy()
    mixed = rng.permuted(features[rows], axis=0)
    features[rows] = mixed + features.std(axis=0) * rng.normal(size=mixed.shape).astype(np.float32)
    labels[rows] = rng.integers(0, data.n_classes, len(rows))
    return replace(data, features=features, labels=labels, test_features=data.test_features.astype(np.float32))


def _as_pixels(data: Data) -> Data:
    """Encode images as the product does: with its `pixels` encoder, for its convolutional network."""
    encoder = Pixels.fit([])
    return replace(
        data,
        features=encoder.encode([_as_png(row) for row in data.features]),
        test_features=encoder.encode([_as_png(row) for row in data.test_features]),
        input_shape=encoder.input_shape,
    )


def _as_png(row: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(row.reshape(SIDE, SIDE)).save(file, "PNG", compress_level=0)
    return file.getvalue()
