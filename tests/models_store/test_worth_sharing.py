"""Test that a training is shared only if there is enough work for each process."""

import math
from typing import Any, cast

import numpy as np
import torch

from models_store.networks import for_shape
from models_store.training import TrainConfig, TrainingSet
from models_store.training.run import Run
from models_store.training.together import Others

VECTORS, IMAGES = (64,), (3, 32, 32)


def most_processes(labels: int, shape: tuple[int, ...], **settings: Any) -> int:
    """Return the most processes for a training on so many labels of 100 classes."""
    features, targets = np.zeros((labels, math.prod(shape)), np.uint8), np.arange(labels) % 100
    known = TrainingSet(features, targets, "single", 100, shape)
    rows, config, device = np.arange(labels), TrainConfig(**settings), torch.device("cpu")
    run = Run(for_shape(shape, 100), known, rows, rows[:0], config, 7, device)
    run.share_with(cast(Others, None))
    return run.together.most


def test_few_labels_never():
    assert most_processes(500, VECTORS) == 1
    assert most_processes(500, IMAGES, batch_size=256) == 1


def test_small_steps_of_a_small_network_never():
    assert most_processes(100_000, VECTORS) == 1


def test_large_steps_by_as_many_as_have_enough_to_do():
    assert most_processes(100_000, VECTORS, batch_size=512) == 5
    assert most_processes(100_000, IMAGES) == 6
    assert most_processes(100_000, IMAGES, batch_size=128) == 12
