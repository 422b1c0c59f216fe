"""Test that an interrupted training resumes to the same result, whatever its checkpoint file contains."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from model_data import ALONE, SHAPES, Pool, blobs, train_on
from safetensors import safe_open

from models_store.config import TrainConfig
from models_store.networks import Mlp, MlpConfig
from models_store.training import checkpoints, gradients, run
from tests.extent import some

# Without further trainings, which test_calibrating.py cuts short: they would take four times as long again.
CONFIG = TrainConfig(epochs=12, temperature="likelihood", batch_growth=4.0, calibration_labels=0)
SHORT = replace(CONFIG, epochs=4, min_steps=40)


class Killed(BaseException):
    """Stands for a kill; no code in between may catch it."""


def killed_at(step):
    def progress(at):
        if at.step >= step:
            raise Killed

    return progress


def weights(trained):
    return trained.model.network.state_dict()


def same(one, other):
    return all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


@pytest.mark.parametrize("question", some(["single", "multi", "verify"]))
def test_cut_short_twice_it_ends_with_the_same_weights_bit_for_bit(tmp_path, question):
    pool = blobs(1200, seed=1)
    whole = train_on(pool, question=question, config=CONFIG)
    seen = []
    for step in (40, 80):  # patience lasts for ten checks after the first, eight steps each: 88 are always taken
        with pytest.raises(Killed):
            train_on(
                pool, question=question, config=CONFIG, progress=killed_at(step), checkpoint=tmp_path / "c",
                checkpoint_seconds=0,
            )  # fmt: skip
    resumed = train_on(
        pool, question=question, config=CONFIG, checkpoint=tmp_path / "c", progress=lambda at: seen.append(at.step)
    )
    assert seen[0] == 80  # what the step that was cut off had done is not saved
    assert same(whole, resumed)
    assert (whole.steps, whole.checks, whole.temperature) == (resumed.steps, resumed.checks, resumed.temperature)


@pytest.mark.long
def test_the_weights_of_the_best_check_outlast_it(tmp_path, monkeypatch):
    """The checks are faked: the training is interrupted after they got worse."""
    monkeypatch.setattr(run.Run, "_evaluate", lambda self: (1.0, 0.1 if self.state.step <= 20 else 0.9))
    pool = blobs(1000, seed=1)
    with pytest.raises(Killed):
        train_on(pool, config=CONFIG, progress=killed_at(40), checkpoint=tmp_path / "c", checkpoint_seconds=0)
    resumed = train_on(pool, config=CONFIG, checkpoint=tmp_path / "c")
    assert same(train_on(pool, config=CONFIG), resumed)


@pytest.mark.long
def test_images_dropout_and_shifts_too(tmp_path, digits):
    pool = Pool(digits.features[:60], digits.classes[:60], 10)
    config = TrainConfig(epochs=3, min_steps=14, calibration_labels=0)
    with pytest.raises(Killed):
        train_on(pool, shape=SHAPES["image"], config=config, progress=killed_at(9), checkpoint=tmp_path / "c",
                 checkpoint_seconds=0)  # fmt: skip
    resumed = train_on(pool, shape=SHAPES["image"], config=config, checkpoint=tmp_path / "c")
    assert same(train_on(pool, shape=SHAPES["image"], config=config), resumed)


@pytest.mark.long
def test_a_checkpoint_of_an_earlier_release_goes_on(tmp_path):
    """Trainings of that release ran in one process and did not save the number of processes."""
    pool, path = blobs(300, seed=1), tmp_path / "c"
    with pytest.raises(Killed):
        train_on(pool, config=SHORT, progress=killed_at(20), checkpoint=path, checkpoint_seconds=0)
    with safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()["state"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    assert state.pop("processes") == [1]
    checkpoints.write_checkpoint(path, tensors, state)
    steps = []
    resumed = train_on(pool, config=SHORT, checkpoint=path, progress=lambda at: steps.append(at.step))
    assert steps[0] == 20
    assert resumed.processes == (1,)
    assert same(train_on(pool, config=SHORT), resumed)


@pytest.mark.parametrize("damage", some(["one bit", "truncated", "garbage", "empty", "foreign", "other settings"]))
def test_a_file_that_is_no_checkpoint_of_it_is_begun_anew(tmp_path, damage):
    pool, path = blobs(300, seed=1), tmp_path / "c"
    other = blobs(300, seed=2) if damage == "foreign" else pool
    config = replace(SHORT, weight_decay=0.0) if damage == "other settings" else SHORT
    with pytest.raises(Killed):
        train_on(other, config=config, progress=killed_at(20), checkpoint=path, checkpoint_seconds=0)
    content = path.read_bytes()
    if damage not in ("foreign", "other settings"):
        last = bytes([content[-1] ^ 1])
        damaged = {"truncated": content[: len(content) // 2], "garbage": b"\xff" * 500, "empty": b""}
        path.write_bytes({**damaged, "one bit": content[:-1] + last}[damage])
    first = []
    resumed = train_on(pool, config=SHORT, checkpoint=path, progress=lambda at: first.append(at.step))
    assert first[0] == 1
    assert same(train_on(pool, config=SHORT), resumed)


def test_a_large_step_is_the_sum_of_parts_that_fit_into_memory(monkeypatch):
    """The sums agree up to rounding, without dropout, whose draws differ, and without a soft error, which needs the
    whole step.
    """
    pool = blobs(400, seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = Mlp(MlpConfig(n_inputs=12, n_classes=4, dropout=0.0))
    config = TrainConfig(batch_size=100, min_steps=20, epochs=5, temperature="none", secondary="none")
    whole = train_on(pool, network=network, config=config)
    monkeypatch.setattr(gradients, "MOST_ROWS", 16)  # seven parts of 15 and 14
    parts = train_on(pool, network=network, config=config)
    assert whole.steps == parts.steps
    best = [np.concatenate([t.numpy().ravel() for t in weights(each).values()]) for each in (whole, parts)]
    assert np.corrcoef(*best)[0, 1] > 1 - 1e-6  # it is 1e-14 off, and 1e-3 if a part is left out


@pytest.mark.long
def test_the_batch_grows_from_first_to_last_step(monkeypatch):
    sizes = []
    taken = run.Stream.take
    monkeypatch.setattr(run.Stream, "take", lambda self, start, n: sizes.append(n) or taken(self, start, n))
    train_on(
        blobs(600, seed=1),
        config=TrainConfig(batch_size=16, batch_growth=8.0, epochs=10, validation_share=0, temperature="none"),
    )
    assert sizes[0] == 16
    assert sizes == sorted(sizes)
    assert 110 <= sizes[-1] <= 128


@pytest.mark.long
def test_a_warm_start_begins_with_what_the_last_version_knew():
    pool = blobs(300, seed=1)
    first = train_on(pool, config=ALONE)
    config = TrainConfig(warm_start=True, epochs=1, min_steps=1)
    few = Pool(pool.features[:64], pool.classes[:64], 6)  # two classes more
    warm, cold = (train_on(few, config=config, start=start) for start in (first.model, None))
    test = blobs(500, seed=2)

    def right(trained):
        from models_store.prediction import predict

        return np.mean(np.concatenate([p.best for p in predict(trained.model, test.features)]) == test.classes)

    assert right(warm) > right(cold)
    assert right(warm) > 0.8
    assert same(cold, train_on(few, config=TrainConfig(epochs=1, min_steps=1)))
