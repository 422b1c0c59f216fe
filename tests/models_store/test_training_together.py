"""Test that several processes train one network: the same number gives the same weights, another number equally good
ones.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import pytest
import torch
from model_data import SHAPES, Pool, blobs, train_on

from models_store.training import Stopped, TrainConfig, Trained, together
from tests.extent import some

CONFIG = TrainConfig(calibration_labels=0, epochs=6, batch_size=60)
# Processes are forked from one that has loaded torch, which takes seconds, and nothing else of the tests.
PRELOADED = get_context("forkserver")
PRELOADED.set_forkserver_preload(["models_store.training"])


class Processes:
    """Processes on this machine."""

    address = "127.0.0.1"

    def __init__(self, count: int) -> None:
        self.room = count
        self.pool = ProcessPoolExecutor(count, PRELOADED, torch.set_num_threads, (1,))
        self.started: list[Future[Any]] = []

    def share(self, value: Any) -> Any:
        return value

    def start(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> None:
        self.started = [self.pool.submit(function, *call) for call in calls]

    def running(self) -> int:
        ended = [each.exception() for each in self.started if each.done()]
        for error in ended:
            if isinstance(error, BrokenProcessPool):
                self.room = 0
            elif error is not None:
                raise error
        return len(self.started) - len(ended)

    def steps(self) -> list[int]:
        return [each.result(30) for each in self.started]


class Nobody:
    """Two processes that never connect; `gone`: they end as soon as they start."""

    address, room = "127.0.0.1", 2

    def __init__(self, *, gone: bool) -> None:
        self.gone, self.starts = gone, 0

    def share(self, value: Any) -> Any:
        return value

    def start(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> None:
        self.starts += 1

    def running(self) -> int:
        return 0 if self.gone else 2


@pytest.fixture(scope="module")
def two() -> Iterator[Processes]:
    """Return two further processes."""
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


@pytest.mark.long
@pytest.mark.parametrize("question", some(["single", "verify"]))
def test_the_same_number_gives_the_same_weights(two, question):
    pool = blobs(400, seed=1)
    one, other = (train_on(pool, question=question, config=CONFIG, others=two) for _ in range(2))
    assert one.processes == (3,)
    assert two.steps() == [one.steps, one.steps]
    assert same(one, other)
    assert not same(one, train_on(pool, question=question, config=CONFIG))


@pytest.mark.long
def test_cut_short_it_goes_on_with_the_same_weights(two, tmp_path):
    pool = blobs(400, seed=1)
    whole = train_on(pool, config=CONFIG, others=two)

    def stop(at):
        if at.step == 20:
            raise Stopped

    with pytest.raises(Stopped):
        train_on(pool, config=CONFIG, others=two, checkpoint=tmp_path / "c", progress=stop)
    assert two.steps() == [20, 20]
    resumed = train_on(pool, config=CONFIG, others=two, checkpoint=tmp_path / "c")
    assert two.steps() == [whole.steps - 20, whole.steps - 20]
    assert same(whole, resumed)


@pytest.mark.long
def test_shifts_of_images_follow_from_the_rank_too(two, digits):
    pool = Pool(digits.features[:90], digits.classes[:90], 10)
    config = TrainConfig(calibration_labels=0, epochs=1, min_steps=5, batch_size=30)
    one, other = (train_on(pool, shape=SHAPES["image"], config=config, others=two) for _ in range(2))
    assert one.processes == (3,)
    assert same(one, other)


def test_when_the_others_die_no_step_is_lost():
    others, pool, steps = Processes(1), blobs(400, seed=1), []

    def progress(at):
        steps.append(at.step)
        if at.step == 20:
            for process in others.pool._processes.values():
                process.kill()

    trained = train_on(pool, config=CONFIG, others=others, progress=progress)
    others.pool.shutdown()
    assert trained.processes == (2, 1)
    assert steps == [*range(1, trained.steps + 1), trained.steps]


def test_what_another_process_raises_is_raised(two, monkeypatch):
    monkeypatch.setattr(two, "share", lambda value: None)
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'network'"):
        train_on(blobs(400, seed=1), config=CONFIG, others=two)


@pytest.mark.long
@pytest.mark.parametrize(("gone", "starts"), some([(True, 8), (False, 1)]))
def test_where_nobody_comes_it_is_the_training_of_one_process(monkeypatch, gone, starts):
    monkeypatch.setattr(together, "MEET_SECONDS", 0.1)
    monkeypatch.setattr(together, "PAUSE_SECONDS", 0.0)
    pool, others = blobs(400, seed=1), Nobody(gone=gone)
    trained = train_on(pool, config=CONFIG, others=others)
    assert trained.processes == (1,)
    assert others.starts == starts
    assert same(trained, train_on(pool, config=CONFIG))
