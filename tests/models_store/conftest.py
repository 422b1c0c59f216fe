"""Small real data, and models trained once on it."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from model_data import SHAPES, SHORT, Pool, blobs, digit_images, train_on

from models_store import encoders
from models_store.training import Trained


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, because two threads that compete with other processes for two cores are slower than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Pool:
    """Return 1,797 images as features of the pixels encoder, with their classes."""
    images, classes = digit_images()
    return Pool(encoders.get("pixels").fit([]).encode(images), classes, 10)


@cache
def trained_for(question: str) -> Trained:
    """Return a model of vectors, which has learned a little."""
    return train_on(blobs(200, seed=1), question=question, config=SHORT)


@pytest.fixture(scope="session", params=["single", "multi", "verify"])
def trained(request: pytest.FixtureRequest) -> Trained:
    """Return a model of vectors for each question."""
    return trained_for(request.param)


@pytest.fixture(scope="session")
def trained_one() -> Trained:
    """Return a model of vectors for one question, where the question makes no difference."""
    return trained_for("single")


@pytest.fixture(scope="session")
def image_model(digits: Pool) -> Trained:
    rows = np.random.default_rng(0).permutation(len(digits.classes))[:90]
    return train_on(
        Pool(digits.features[rows], digits.classes[rows], 10), question="single", shape=SHAPES["image"], config=SHORT
    )
