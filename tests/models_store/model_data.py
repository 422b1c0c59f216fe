"""Data for the tests of `models_store`."""

import io
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from models_store.config import TrainConfig
from models_store.training import Recipe, Runtime, Trained, TrainingSet, train

SHAPES = {"image": (3, 32, 32)}
# Further trainings change no answer (test_calibrating.py), and would take four times as long again.
ALONE = TrainConfig(calibration_labels=0)
SHORT = TrainConfig(calibration_labels=0, max_steps=40, min_steps=40)


@dataclass(frozen=True)
class Pool:
    features: np.ndarray
    classes: np.ndarray
    n_classes: int


def as_file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def digit_images() -> tuple[list[bytes], np.ndarray]:
    """Return scikit-learn's 8 x 8 digits as PNG files, and their classes."""
    data = load_digits()
    files = [as_file(Image.fromarray((image * 255 / 16).astype(np.uint8))) for image in data.images]
    return files, data.target


def digit_pixels(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the digits as rows of (3, size, size) uint8 pixels, `size` a multiple of 8, and their classes."""
    data = load_digits()
    images = np.kron(data.images * 15, np.ones((size // 8, size // 8))).astype(np.uint8)
    return np.repeat(images[:, None], 3, axis=1).reshape(len(images), -1), data.target


def blobs(n: int, *, seed: int, n_classes: int = 4, dim: int = 12) -> Pool:
    """Return overlapping Gaussian classes, with the same centres for every seed."""
    centres = np.random.default_rng(99).normal(size=(n_classes, dim)) * 1.5
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, n_classes, n)
    return Pool((centres[classes] + rng.normal(size=(n, dim))).astype(np.float32), classes, n_classes)


def asked(pool: Pool, question: str, *, seed: int = 0) -> dict[str, Any]:
    """Return targets, and proposed classes if the question has them. "multi": the class and the one before it."""
    if question == "single":
        return {"targets": pool.classes}
    if question == "multi":
        both = np.eye(pool.n_classes, dtype=bool)[pool.classes]
        return {"targets": both | np.roll(both, -1, axis=1)}
    rng = np.random.default_rng(seed)
    others = rng.integers(0, pool.n_classes, len(pool.classes))
    proposed = np.where(rng.random(len(pool.classes)) < 0.5, pool.classes, others)
    return {"targets": proposed == pool.classes, "proposed": proposed}


def labeled(pool: Pool, question: str = "single", shape: tuple[int, ...] | None = None, **options: Any) -> TrainingSet:
    """Return the pool's items as a training set."""
    return TrainingSet(
        pool.features,
        question=question,
        n_classes=pool.n_classes,
        input_shape=shape or (pool.features.shape[1],),
        **asked(pool, question),
        **options,
    )


def train_on(
    pool: Pool, *, question: str = "single", seed: int = 7, shape: tuple[int, ...] | None = None, **options: Any
) -> Trained:
    """Train a network; `options` are fields of the training set, the recipe and the runtime, and `later`."""
    recipe, runtime = (
        {each.name: options.pop(each.name) for each in fields(kind) if each.name in options}
        for kind in (Recipe, Runtime)
    )
    later = options.pop("later", False)
    training_set = labeled(pool, question, shape, **options)
    return train(training_set, Recipe(seed, **recipe), Runtime(**runtime), later=later)
