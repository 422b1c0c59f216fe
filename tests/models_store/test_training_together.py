"""Several processes train one network: the same number of them gives the same weights, another number as good ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
import torch
from model_data import ALONE, SHAPES, Pool, blobs, train_on

from models_store.config import TrainConfig
from models_store.networks import for_shape
from models_store.training import TrainConfig, Trained, together
from models_store.training.together import ATTEMPTS, follow

CONFIG = TrainConfig(calibration_labels=0, epochs=6, batch_size=60)


class Processes:
    """On this machine."""

    address = "127.0.0.1"

    def __init__(self, count: int) -> None:
        self.room = count
        self.pool = ProcessPoolExecutor(count, get_context("spawn"), torch.set_num_threads, (1,))
        self.started: list[Future[Any]] = []

    def share(self, value: Any) -> Any:
        return value

    def start(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> None:
        self.started = [self.pool.submit(function, *call) for call in calls]

    def running(self) -> int:
        for each in self.started:
            if each.done() and (error := each.exception()):
                raise error
        return sum(not each.done() for each in self.started)

    def steps(self) -> list[int]:
        return [each.result(30) for each in self.started]


@pytest.fixture(scope="module")
def two() -> Iterator[Processes]:
    """Beside this one."""
    others = Processes(2)
    yield others
    others.pool.shutdown()


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAST_WORK", "LEAST_SHARE", "LEAST_SHARE_BY_WEIGHT"):
        monkeypatch.setattr(together, name, 1e-9)


def weights(trained: Trained) -> list[torch.Tensor]:
    return list(trained.model.network.state_dict().values())


def same(one: Trained, other: Trained) -> bool:
    return all(map(torch.equal, weights(one), weights(other)))


def accuracy(trained: Trained, pool: Pool) -> float:
    with torch.no_grad():
        logits = trained.model.network(torch.from_numpy(pool.features))[1]
    return float((logits.argmax(dim=1).numpy() == pool.classes).mean())


@pytest.mark.parametrize("question", ["single", "multi", "verify"])
def test_the_same_number_gives_the_same_weights(two, question):
    pool = blobs(400, seed=1)
    one, other = (train_on(pool, question=question, config=CONFIG, others=two) for _ in range(2))
    assert one.processes == (3,)
    assert two.steps() == [one.steps, one.steps]
    assert same(one, other)
    assert not same(one, train_on(pool, question=question, config=CONFIG))


def test_another_number_is_as_accurate(two):
    pool, test = blobs(400, seed=1), blobs(2000, seed=2)
    alone = [accuracy(train_on(pool, config=CONFIG, seed=seed), test) for seed in range(5)]
    shared = accuracy(train_on(pool, config=CONFIG, others=two), test)
    assert min(alone) - 0.02 < shared < max(alone) + 0.02


def test_shifts_of_images_follow_from_the_rank_too(two, digits):
    pool = Pool(digits.features[:90], digits.classes[:90], 10)
    config = TrainConfig(calibration_labels=0, epochs=1, min_steps=5, batch_size=30)
    one, other = (train_on(pool, shape=SHAPES["image"], config=config, others=two) for _ in range(2))
    assert one.processes == (3,)
    assert same(one, other)
