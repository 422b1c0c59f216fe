"""Test that a Ray cluster computes the same results as one process, bit for bit, and continues when nodes die or
join.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.ray_nodes import ON_THIS_MACHINE, Nodes
from labeling.loop.step import ComputeAway, StepFailed
from labeling.steps.compute import Local
from labeling.steps.compute.ray import OnRay
from labeling.steps.compute.ray_cluster import Traffic
from models_store import networks
from models_store.encoders.tfidf_svd import TfidfSvd
from models_store.model import Model
from models_store.prediction import CHUNK, Prediction
from models_store.ray_driver import LOOK_SECONDS
from models_store.training import Progress, Recipe, Runtime, TrainConfig, TrainingSet, together
from selector import joining, neighbours, sharded
from selector.linkage import average_linkage

pytestmark = [pytest.mark.slow, pytest.mark.ray]

HERE = Local()


@pytest.fixture(scope="module")
def there(nodes: Nodes) -> OnRay:
    return OnRay("ray:auto")


@pytest.fixture(autouse=True)
def small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limits, so that pools of a few thousand items are shared among nodes."""
    for module in (neighbours, sharded):
        monkeypatch.setattr(module, "ALL_PAIRS", 1000)
    monkeypatch.setattr(joining, "_WORTH_SHARING", 0)


@pytest.fixture
def two(nodes: Nodes, there: OnRay) -> Nodes:
    """Wait until both nodes have joined."""
    if len(nodes.running) < 2:
        nodes.start_another()
    until_two_work(there)
    there.cluster.traffic = Traffic()
    return nodes


def until_two_work(there: OnRay) -> None:
    there.cluster.traffic = Traffic()
    end = time.monotonic() + 60
    until = iter(lambda: len(processes(there)) > 1 or time.monotonic() > end, True)
    for _ in there.cluster.map(time.sleep, ((0.02,) for _ in until)):
        pass
    assert len(processes(there)) == 2


def processes(there: OnRay) -> set[str]:
    """Return the processes of the last calls."""
    assert there.cluster.traffic is not None
    return {each.process for _, calls in there.cluster.traffic.work for each in calls}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Write the features of 60,000 items to a file."""
    path = tmp_path_factory.mktemp("pool") / "features.npy"
    np.save(path, np.random.default_rng(3).normal(size=(60_000, 16)).astype(np.float32))
    mapped: np.ndarray = np.load(path, mmap_mode="r")
    return mapped


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model("single", 30, (16,), networks.for_shape((16,), 30).eval())


@pytest.fixture
def labeled(monkeypatch: pytest.MonkeyPatch, settings: Any) -> tuple[TrainingSet, Recipe]:
    """Return a training set of 400 items for three processes."""
    settings.COMPUTE_TRAINING_WORLD = 3
    for name in ("LEAST_WORK", "LEAST_SHARE", "LEAST_SHARE_BY_WEIGHT"):
        monkeypatch.setattr(together, name, 1e-9)
    rng = np.random.default_rng(5)
    features, targets = rng.normal(size=(400, 12)).astype(np.float32), rng.integers(0, 4, 400)
    recipe = Recipe(7, TrainConfig(calibration_labels=0, min_steps=100, epochs=8))
    return TrainingSet(features, targets, "single", 4, (12,)), recipe


def same(one: Prediction, other: Prediction) -> bool:
    names = ("start", "embeddings", "margins", "best", "confidence", "entropies")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def scored(compute: Local, model: Model, features: np.ndarray) -> Iterator[Prediction]:
    return compute.score(model, features, merged={2: 5}, extras=("entropies",))


def texts() -> list[list[str]]:
    rng = np.random.default_rng(1)
    words = np.array([f"word{number}" for number in range(200)])
    return [[" ".join(rng.choice(words, 20)) for _ in range(100)] for _ in range(12)]


@pytest.mark.long
def test_a_node_killed_while_items_are_encoded(two: Nodes, there: OnRay) -> None:
    chunks: list[list[Any]] = texts()
    encoder = TfidfSvd.fit([text for chunk in chunks for text in chunk])
    chunks[3][7] = 3  # no text
    here = list(HERE.encode(encoder, chunks))
    encoding = there.encode(encoder, chunks)
    first = next(encoding)
    two.kill_last()
    for (block, wrong), (expected, expected_wrong) in zip([first, *encoding], here, strict=True):
        assert np.array_equal(block, expected)
        assert wrong == expected_wrong


@pytest.mark.long
def test_a_node_killed_while_a_pool_is_clustered(two: Nodes, there: OnRay, features: np.ndarray) -> None:
    pool, shares = features[:6000], []

    def progress(phase: str, share: float) -> None:
        shares.append(share)
        if len(shares) == 3:
            two.kill_last()

    assert average_linkage(pool, progress=progress, workers=there.workers).digest == average_linkage(pool).digest
    assert shares == sorted(shares)


@pytest.mark.long
def test_a_node_killed_while_items_join(
    two: Nodes, there: OnRay, features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "_ALL_PAIRS", 0)  # by trees
    old, new = features[:40_000], features[40_000:]

    def kill_in_the_second_tree() -> None:
        assert there.cluster.traffic is not None
        while [name for name, _ in there.cluster.traffic.work].count("search_and_deal") < 2:
            time.sleep(0.01)
        two.kill_last()  # and with it what it kept of the first tree

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_in_the_second_tree)
        assert np.array_equal(joining.nearest(new, old, workers=there.workers), joining.nearest(new, old))
        killing.result()


@pytest.mark.long
def test_a_node_killed_while_a_network_is_trained(
    two: Nodes, there: OnRay, labeled: tuple[TrainingSet, Recipe], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = (there.train(*labeled, Runtime()) for _ in range(2))
    assert one.processes == other.processes == (3,)
    assert all(map(torch.equal, one.model.network.state_dict().values(), other.model.network.state_dict().values()))
    steps: list[int] = []

    def progress(at: Progress) -> None:
        steps.append(at.step)
        if at.step == 20:
            two.kill_last()
        elif at.step > 20 and "has gone" not in caplog.text:
            time.sleep(0.1)  # its processes outlive it by two seconds

    left = there.train(*labeled, Runtime(progress=progress))
    assert left.processes == (3, 2)
    assert steps == [*range(1, one.steps + 1), one.steps]


def test_rows_are_sent_where_their_file_is_not(
    two: Nodes, there: OnRay, model: Model, features: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "gone.npy"
    np.save(path, features)
    gone = np.load(path, mmap_mode="r")
    path.unlink()
    parts = scored(there, model, gone)
    assert all(same(*pair) for pair in zip(parts, scored(HERE, model, features), strict=True))
    old, new = gone[:3000], gone[3000:13_000]
    assert np.array_equal(joining.nearest(new, old, workers=there.workers), joining.nearest(new, old))
    assert there.cluster.traffic is not None
    assert there.cluster.traffic.sent > features.nbytes


@pytest.mark.long
def test_through_the_port_for_clients(two: Nodes, model: Model, features: np.ndarray) -> None:
    """The client runs on a machine that is no node."""
    outside = OnRay(f"ray://{ON_THIS_MACHINE}:{two.client_port}")
    parts = until_answered(outside, model, features[:20_000])
    assert all(same(*pair) for pair in zip(parts, scored(HERE, model, features[:20_000]), strict=True))
    pool = features[:4000]  # whose lists of neighbours stay on the nodes
    assert average_linkage(pool, progress=print, workers=outside.workers).digest == average_linkage(pool).digest


def until_answered(compute: OnRay, model: Model, features: np.ndarray) -> list[Prediction]:
    """Repeat the call, as the worker does, because Ray's server for a client may fail to start."""
    end = time.monotonic() + 120
    while True:
        try:
            return list(scored(compute, model, features))
        except ComputeAway:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def test_an_error_of_the_work_is_told_as_it_is(two: Nodes, there: OnRay, features: np.ndarray) -> None:
    wrong = np.array(features[:9000])
    wrong[8123, 2] = np.inf
    with pytest.raises(ValueError, match=r"not a finite number \(row 8123\)"):
        joining.nearest(wrong, features[:100], workers=there.workers)


def test_steps_go_on_behind_an_error_about_rows_that_were_sent(two: Nodes, there: OnRay, tmp_path: Path) -> None:
    path = tmp_path / "gone.npy"
    np.save(path, np.zeros((4, 4)))
    gone = np.load(path, mmap_mode="r")
    path.unlink()
    with pytest.raises(np.linalg.LinAlgError):
        list(there.cluster.map(np.linalg.cholesky, [(gone,)]))
    time.sleep(LOOK_SECONDS)  # then the driver is told what nobody needs any more
    assert list(there.cluster.map(np.sum, [(gone,)])) == [0]


def test_nodes_of_another_release_are_refused(two: Nodes, there: OnRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.steps.compute.ray_cluster.release_here", lambda: "another")
    with pytest.raises(StepFailed, match="another release of Marginalia"):
        list(there.cluster.map(time.sleep, [(0,)]))


# After the others in short: what follows a killed node waits until another has joined.
def test_a_node_killed_while_a_pool_is_scored(two: Nodes, there: OnRay, model: Model, features: np.ndarray) -> None:
    scoring = scored(there, model, features)
    first = next(scoring)
    two.kill_last()
    parts = [first, *scoring]
    assert all(same(*pair) for pair in zip(parts, scored(HERE, model, features), strict=True))
    assert [part.start for part in parts] == list(range(0, 60_000, CHUNK))
    assert there.cluster.traffic is not None
    assert there.cluster.traffic.sent < 1_000, "nodes read rows from the file"


@pytest.mark.long
def test_the_process_that_holds_the_connection_killed(
    two: Nodes, there: OnRay, model: Model, features: np.ndarray
) -> None:
    """Ray ends the process in the middle of a call when its node dies."""
    scoring = scored(there, model, features)
    next(scoring)
    drivers = [process for process in active_children() if process.name == "ray driver"]
    for driver in drivers:
        driver.kill()
    with pytest.raises(ComputeAway, match="Ray has ended its process"):
        list(scoring)
    parts = scored(there, model, features)
    assert drivers
    assert all(same(*pair) for pair in zip(parts, scored(HERE, model, features), strict=True))


@pytest.mark.long
def test_the_head_killed(
    two: Nodes, there: OnRay, model: Model, features: np.ndarray, labeled: tuple[TrainingSet, Recipe], tmp_path: Path
) -> None:
    """This test is the last of the file, because it ends the cluster."""
    scoring = scored(there, model, features)
    first = next(scoring)
    steps: list[int] = []

    def progress(at: Progress) -> None:
        steps.append(at.step)
        while at.step == 20 and two.running:
            two.kill_last()
        if not two.running:
            time.sleep(0.1)

    runtime = Runtime(tmp_path / "c", checkpoint_seconds=0, progress=progress)
    with pytest.raises(ComputeAway, match=r"ray:auto.*does not answer"):
        there.train(*labeled, runtime)
    with pytest.raises(ComputeAway, match=r"ray:auto.*does not answer"):
        list(scoring)
    with pytest.raises(ComputeAway, match=r"ray:auto.*does not answer"):
        list(scored(there, model, features))
    assert first.start == 0
    two.start_head()
    two.start_another()
    parts = scored(there, model, features)
    assert all(same(*pair) for pair in zip(parts, scored(HERE, model, features), strict=True))
    reached = len(steps)
    assert reached >= 20
    # As many as there is room for by then: the new cluster's nodes come one after the other.
    assert there.train(*labeled, runtime).processes[0] == 3
    assert steps[reached] == reached + 1
