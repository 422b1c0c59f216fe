"""Test that private training clips and adds noise as the accountant assumes, and reads records in no other way."""

import json
import os
import random

import numpy as np
import pytest
import torch
from model_data import Pool, asked, blobs, labeled
from scipy import stats
from torch import nn
from torch.nn import functional as F

from models_store import artifact
from models_store.metrics import accuracy
from models_store.networks import Mlp, MlpConfig
from models_store.prediction import predict
from models_store.privacy import entropy, scaling
from models_store.privacy import training as private_training
from models_store.privacy.accounting import Phase
from models_store.privacy.config import PrivacyConfig, noise_for_budget
from models_store.privacy.planned import epsilon
from models_store.privacy.training import check_network, train_private
from models_store.training import Trained, TrainingSet
from tests.extent import some

SOME = 80  # steps: enough for what is easy to learn
# Where epsilon is not the subject: to find the noise for an epsilon takes longer than a small training.
ANY_NOISE = {"epsilon": None, "noise_multiplier": 1.0}


def train_on(pool: Pool, *, question: str = "single", shape=None, seed: int = 7, **settings) -> Trained:
    settings = {"epsilon": 8.0, "delta": 1e-4, **settings}
    return train_private(labeled(pool, question, shape), PrivacyConfig(**settings), seed=seed)


def best(trained: Trained, pool: Pool, proposed=None) -> np.ndarray:
    return np.concatenate([part.best for part in predict(trained.model, pool.features, proposed=proposed)])


@pytest.mark.parametrize("question", some(["single", "multi", "verify"]))
def test_it_learns_each_question(question):
    trained = train_on(blobs(1500, seed=1), question=question, steps=SOME)
    pool = blobs(1000, seed=2)
    answers = asked(pool, question, seed=3)
    taken = best(trained, pool, answers.get("proposed"))
    right = answers["targets"][np.arange(1000), taken] if question == "multi" else answers["targets"] == taken
    assert right.mean() > 0.8


@pytest.mark.long
def test_units_of_the_features_do_not_matter():
    pool, units = blobs(1500, seed=1), 10.0 ** np.arange(-4, 8)
    mixed = Pool((pool.features * units + 3 * units).astype(np.float32), pool.classes, pool.n_classes)
    assert accuracy(mixed.classes, best(train_on(mixed, steps=SOME), mixed)).value > 0.8


@pytest.mark.parametrize(
    ("n", "question"), some([(1, "single"), (1, "multi"), (1, "verify"), (2, "single"), (65, "single")], 2)
)
def test_any_number_of_labels_will_do(question, n):
    trained = train_on(blobs(n, seed=1), question=question, steps=6, **ANY_NOISE)
    assert all(bool(each.isfinite().all()) for each in trained.model.network.parameters())


def test_the_statement_is_what_the_training_did(monkeypatch):
    drawn, noised = [], []
    sample, noise = entropy.poisson_sample, entropy.gaussian

    def sampled(n, rate):
        drawn.append((n, rate))
        return sample(n, rate)

    def gaussian(shape, deviation):
        noised.append(deviation)
        return noise(shape, deviation)

    monkeypatch.setattr(entropy, "poisson_sample", sampled)
    monkeypatch.setattr(entropy, "gaussian", gaussian)
    trained = train_on(blobs(300, seed=1), steps=10, epsilon=3.0, clipping_norm=0.2)
    privacy = json.loads(json.dumps(trained.privacy))
    scaled, *stages = [Phase(**phase) for phase in privacy["phases"]]
    assert privacy["epsilon"] == epsilon([scaled, *stages], privacy["delta"]) <= 3.0
    assert privacy["records"] == 300
    assert drawn == [(300, stage.sampling_rate) for stage in stages for _ in range(stage.steps)]
    assert [stage.steps for stage in stages] == [3, 3, 4]
    tensors = len(list(trained.model.network.parameters()))
    # One draw for each tensor and step, however many chunks the step was taken in; and the two sums of the scaling.
    dim = 12
    assert noised[:2] == [scaled.noise_multiplier * np.sqrt(dim), scaled.noise_multiplier * np.sqrt(2 * dim)]
    assert noised[2:] == [stages[0].noise_multiplier * 0.2] * (10 * tensors)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("question", ["single", "multi", "verify"])
@pytest.mark.parametrize("chunk", [3, 1000])
def test_each_record_is_clipped_by_itself_and_noise_comes_once(question, chunk, monkeypatch):
    """The reference computes, clips and adds the gradients of one record at a time."""
    monkeypatch.setattr(entropy, "gaussian", lambda shape, deviation: torch.full(tuple(shape), deviation))
    network = Mlp(MlpConfig(n_inputs=12, n_classes=4, hidden=8, embedding_dim=6, dropout=0.0))
    nn.init.normal_(network.head.weight)
    pool = blobs(40, seed=1)
    records = labeled(pool, question)
    rows, clipping = np.arange(0, 40, 4), 0.7
    wanted = [torch.zeros_like(each) for each in network.parameters()]
    for row in rows:
        loss = _loss(network(records.take(np.array([row]))[0])[1], records, row)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        norm = torch.sqrt(sum(each.square().sum() for each in gradients))
        for total, gradient in zip(wanted, gradients, strict=True):
            total += gradient * min(1.0, clipping / float(norm))

    private = private_training.GradSampleModuleFastGradientClipping(
        network, strict=False, loss_reduction="sum", max_grad_norm=clipping
    )
    before = [each.detach().clone() for each in network.parameters()]
    optimiser = private_training._Optimiser(
        torch.optim.SGD(network.parameters(), lr=1.0),
        noise_multiplier=0.5,
        max_grad_norm=clipping,
        expected_batch_size=5,
    )
    private_training._step(private, optimiser, records, rows, chunk)
    for was, now, total in zip(before, network.parameters(), wanted, strict=True):
        torch.testing.assert_close(was - now, (total + 0.5 * clipping) / 5, rtol=1e-4, atol=1e-5)


def test_an_empty_sample_gives_a_step_of_noise(monkeypatch):
    monkeypatch.setattr(entropy, "poisson_sample", lambda n, rate: np.array([], np.int64))
    network = train_on(blobs(50, seed=1), steps=3, **ANY_NOISE).model.network
    assert float(network.head.weight.detach().abs().max()) > 0


def test_the_seed_repeats_neither_noise_nor_sampling_and_global_state_is_left_alone():
    torch.manual_seed(1)
    np.random.seed(3)  # noqa: NPY002
    random.seed(4)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    one, other = (train_on(blobs(60, seed=1), steps=3, seed=5, **ANY_NOISE) for _ in range(2))
    assert not torch.equal(one.model.network.head.weight, other.model.network.head.weight)
    assert torch.equal(states[0], torch.get_rng_state())
    np.testing.assert_array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert states[2] == random.getstate()
    assert "seed" not in one.privacy


def test_batch_norm_is_refused_by_name():
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match=r"BatchNorm1d \(1\) mixes records"):
        check_network(network)
    check_network(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)))


@pytest.mark.parametrize("shape", [(12,), (3, 32, 32)])
def test_an_artifact_holds_the_statement_and_loads_again(tmp_path, shape):
    n = int(np.prod(shape))
    pool = Pool(np.random.default_rng(0).integers(0, 255, (30, n)).astype(np.uint8), np.arange(30) % 4, 4)
    trained = train_on(pool, shape=shape, steps=3, **ANY_NOISE)
    digest = artifact.save(tmp_path / "1", trained, manifest={})
    model = artifact.load(tmp_path / "1", digest=digest)
    assert model.manifest["privacy"] == {"private": True, **json.loads(json.dumps(trained.privacy))}
    again = np.concatenate([part.confidence for part in predict(model, pool.features)])
    np.testing.assert_allclose(
        again, np.concatenate([part.confidence for part in predict(trained.model, pool.features)])
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either epsilon or noise_multiplier"),
        ({"epsilon": 1.0, "noise_multiplier": 1.0}, "either epsilon or noise_multiplier"),
        ({"epsilon": -1.0}, "epsilon must be a number from 0.01 to 1,000, not -1.0"),
        ({"epsilon": float("nan")}, "epsilon must be"),
        ({"epsilon": 1.0, "delta": 0.5}, "delta must be"),
        ({"epsilon": 1.0, "steps": 1}, "steps must be"),
    ],
)
def test_settings_out_of_range_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        PrivacyConfig(**{"delta": 1e-5, **given})


@pytest.mark.long
@pytest.mark.parametrize("n", some([60_000, 1, 500, 10_000_000]))
def test_rates_follow_from_the_number_of_labels(n):
    config = PrivacyConfig(epsilon=3.0, delta=n**-1.1 if n > 10 else 1e-2)
    rates = [rate for rate, _ in config.plan(n)]
    assert rates == sorted(rates)
    assert rates[-1] == min(0.4, 12_000 / n)
    assert epsilon(config.phases(n), config.delta) <= 3.0


def test_a_given_noise_is_taken_as_it_is():
    phases = PrivacyConfig(noise_multiplier=2.5, delta=1e-5).phases(1000)
    assert {phase.noise_multiplier for phase in phases[1:]} == {2.5}


@pytest.mark.long
def test_a_budget_lasts_for_as_many_trainings_as_it_was_made_for_even_as_labels_grow():
    spent: list[Phase] = []
    for left, n in ((3, 200), (2, 500), (1, 5000)):
        noise = noise_for_budget(n, trainings=left, epsilon=4.0, delta=1e-5, spent=spent)
        spent += PrivacyConfig(noise_multiplier=noise, delta=1e-5).phases(n)
    assert 3.9 < epsilon(spent, 1e-5) <= 4.0


def test_chance_is_gaussian_and_independent():
    drawn = entropy.gaussian((3, 33_333), 2.0).numpy().ravel()
    assert stats.kstest(drawn / 2, "norm").pvalue > 1e-6
    half = len(drawn) // 2
    assert abs(np.corrcoef(drawn[:half], drawn[-half:])[0, 1]) < 0.03
    assert entropy.gaussian((), 1.0).shape == ()
    assert entropy.gaussian((0, 3), 1.0).shape == (0, 3)
    taken = entropy.poisson_sample(100_000, 0.1)
    assert abs(len(taken) - 10_000) < 600
    assert (np.diff(taken) > 0).all()


def test_chance_is_asked_of_the_operating_system(monkeypatch):
    asked_for = []
    monkeypatch.setattr(os, "urandom", lambda n: asked_for.append(n) or bytes(range(256)) * (n // 256) + bytes(n % 256))
    assert torch.equal(entropy.gaussian((500,), 1.0), entropy.gaussian((500,), 1.0))
    assert asked_for


def test_scales_are_found_through_noise_and_one_record_changes_the_sums_by_one_unit_at_most():
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(3000, 5)) * [1e-3, 1, 10, 1e4, 0] + [0, 5, 0, 1e5, 0]).astype(np.float32)
    mean, gain = scaling.learn(lambda: [features[:1000], features[1000:]], n=3000, dim=5, noise_multiplier=5)
    scaled = (features - mean) * gain
    assert np.abs(scaled[:, :4].mean(axis=0)).max() < 1
    assert (scaled[:, :4].std(axis=0) > 0.1).all()
    assert (scaled[:, :4].std(axis=0) < 4).all()
    assert (scaled[:, 4] == 0).all()
    wild = np.array([[1e30, -1e30, 0, 1e-30, np.finfo(np.float32).max]], np.float32)
    assert np.linalg.norm(scaling._sizes(wild)) <= np.sqrt(5)
    assert np.linalg.norm(scaling._moments(wild, np.ones(5))) <= np.sqrt(10)


def _loss(logits: torch.Tensor, records: TrainingSet, row: int) -> torch.Tensor:
    target = records.take(np.array([row]))[1][0]
    if records.asks.softmax:
        return F.cross_entropy(logits[0], target)
    logit = logits[0] if records.proposed is None else logits[0, records.proposed[row]]
    return F.binary_cross_entropy_with_logits(logit, target)
