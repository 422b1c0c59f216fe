"""Test what a network learns from unlabeled items: the graph, the teacher, and the trainings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, make_moons
from sklearn.neighbors import NearestNeighbors

from models_store.artifact import load, save
from models_store.config import TrainConfig
from models_store.training import Propagated, Recipe, Runtime, TrainingSet, train, trainer
from models_store.training.run import Run
from models_store.training.spreading import NEIGHBOURS, SHARPNESS, Graph, log_shares
from models_store.training.teacher import Fold, fit_teacher
from tests.extent import examples

QUICK = TrainConfig(epochs=2, min_steps=20, calibration_labels=0)


def dense_affinity(x: np.ndarray) -> np.ndarray:
    """Return the graph's affinity by its definition. `x`: standardised."""
    squares, ids = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(x) - 1) + 1).fit(x).kneighbors(x)
    near = np.zeros((len(x), len(x)))
    for row, (others, apart) in enumerate(zip(ids[:, 1:], squares[:, 1:] ** 2, strict=True)):
        near[row, others] = np.exp(-SHARPNESS * apart / apart[-1])
    near = np.maximum(near, near.T)
    root = 1 / np.sqrt(near.sum(axis=1))
    return near * root[:, None] * root[None, :]


@settings(deadline=None, max_examples=examples(15))
@example(n=43, dim=200, keep=0.9, seed=0)  # fewer items than directions
@given(n=st.integers(3, 60), dim=st.integers(2, 5), keep=st.sampled_from([0.5, 0.9, 0.99]), seed=st.integers(0, 99))
def test_spreading_is_what_the_definition_says(n, dim, keep, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim)).astype(np.float32)
    x = ((x - x.mean(axis=0)) / np.sqrt(np.mean(x.var(axis=0)))).astype(np.float32)
    rows = rng.choice(n, max(n // 4, 1), replace=False)
    labels = np.eye(3, dtype=np.float32)[rng.integers(0, 3, len(rows))]
    graph = Graph.of(x)
    affinity = dense_affinity(x.astype(np.float64))
    assert np.allclose(graph.affinity.toarray(), affinity, atol=1e-3)
    given_labels = np.zeros((n, 3))
    given_labels[rows] = labels
    expected = np.linalg.solve(np.eye(n) - keep * affinity, given_labels)
    assert np.allclose(graph.spread(rows, labels, keep), expected, atol=2e-2 * expected.max())


def test_copies_and_constant_features_are_no_problem():
    x = np.repeat(np.random.default_rng(0).normal(size=(3, 4)), 20, axis=0).astype(np.float32)
    scores = Graph.of(x).spread(np.array([0, 20]), np.eye(2, dtype=np.float32), 0.9)
    assert (scores[:20, 0] > 0).all()
    assert (scores[20:40, 1] > 0).all()
    assert not scores[40:].any()  # no path leads there
    assert np.isfinite(log_shares(scores)).all()
    assert np.isfinite(Graph.of(np.zeros((30, 2), np.uint8)).spread(np.array([0]), np.ones((1, 1)), 0.9)).all()


def teacher_of(graph: Graph, targets: np.ndarray, logs: np.ndarray):
    rows = np.arange(len(targets))
    folds = [Fold(rows[part::3], np.setdiff1d(rows, rows[part::3]), logs[part::3]) for part in range(3)]
    return fit_teacher(graph, np.eye(2, dtype=np.float32)[targets], targets, folds)


def test_held_out_labels_choose_who_is_believed():
    rng = np.random.default_rng(1)
    moons, targets = make_moons(300, noise=0.05, random_state=1)
    knows = np.log(np.where(np.eye(2)[targets] > 0, 0.95, 0.05)[:60])
    guesses = np.log(np.full((60, 2), 0.5))
    by_graph = teacher_of(Graph.of(moons.astype(np.float32)), targets[:60], guesses)
    by_network = teacher_of(Graph.of(rng.normal(size=(300, 5)).astype(np.float32)), targets[:60], knows)
    assert by_graph.helps
    assert by_graph.right > 0.95 > 0.7 > by_graph.right_without
    assert by_network.right > 0.95
    assert by_network.network > 2 * by_network.graph


def digits_set(n: int, m: int = 300) -> TrainingSet:
    features, classes = load_digits(return_X_y=True)
    features = features.astype(np.float32)
    return TrainingSet(features[:n], classes[:n], "single", 10, (64,), pool=features[n : n + m])


def test_it_is_recorded_with_the_model(tmp_path):
    trained = train(digits_set(60), Recipe(1, QUICK))
    save(tmp_path / "model", trained, manifest={})
    pool = load(tmp_path / "model").manifest["training"]["pool"]
    assert pool["items"] == 300
    assert pool["right"] > pool["right_without"]
    assert "| Unlabeled items learned, too | 300 |" in (tmp_path / "model" / "README.md").read_text()


def test_cut_short_anywhere_it_ends_with_the_same_weights(tmp_path):
    labels, recipe = digits_set(60), Recipe(1, QUICK)
    whole = train(labels, recipe)

    class Killed(BaseException):
        pass

    for number in range(5):  # the network, three folds, the pupil

        def progress(at, number=number):
            if at.further == number and at.step >= 10:
                raise Killed

        with pytest.raises(Killed):
            train(labels, recipe, Runtime(tmp_path / "c", 0, progress=progress))
    seen = []
    resumed = train(labels, recipe, Runtime(tmp_path / "c", 0, progress=lambda at: seen.append(at.share)))
    for name, tensor in whole.model.network.state_dict().items():
        assert torch.equal(tensor, resumed.model.network.state_dict()[name])
    assert seen == sorted(seen)
    assert seen[-1] == 1
    trainer.forget(tmp_path / "c")
    assert not list(tmp_path.glob("c*"))


@pytest.mark.long
def test_a_held_back_label_is_known_to_no_part_of_its_training(monkeypatch):
    """Other values of the held-back labels must change neither the teacher's pupils nor the networks before them."""
    learned: list[TrainingSet] = []
    begin = Run.__init__

    def record(self, network, labels, rows, *others):
        learned.append(labels)
        begin(self, network, labels, rows, *others)

    monkeypatch.setattr(Run, "__init__", record)
    labels, recipe = digits_set(200), Recipe(3, replace(QUICK, calibration_labels=80))
    train(labels, recipe)
    pupils = [each for each in learned if len(each) > 200]
    plan = trainer._Plan.of(labels, recipe, Runtime())
    assert len(pupils) == 1 + len(plan.parts) > 1
    others = labels.targets.copy()
    others[plan.parts[0]] = (others[plan.parts[0]] + 1) % 10
    later = train(labels, recipe, later=True).later
    assert later is not None
    del learned[:]
    plan = replace(plan, training_set=replace(labels, targets=others))
    with plan.random_state():
        plan.answers(torch.nn.Identity(), later, plan.reports(first=False, further=True))
    again = [each for each in learned if len(each) > 200]
    assert again[0].soft is not None
    assert pupils[1].soft is not None
    assert np.array_equal(again[0].soft[200:].toarray(), pupils[1].soft[200:].toarray())
    assert not np.array_equal(again[1].soft[200:].toarray(), pupils[2].soft[200:].toarray())  # these labels it knows


def test_a_warm_start_is_calibrated_on_none_of_the_labels_that_it_may_have_learned():
    config = replace(QUICK, warm_start=True, calibration_labels=300, validation_share=0.2, learns_from="labels")
    labels = digits_set(500)
    cold = train(labels, Recipe(1, config))
    warm = train(labels, Recipe(1, config, start=cold.model))
    assert cold.validation_size == 100
    assert warm.calibration_size == cold.calibration_size - 100


def test_near_copies_are_held_out_with_their_source():
    base = digits_set(60)
    n = 60
    sources = np.concatenate([np.arange(n), np.arange(n)])
    weights = np.repeat(np.array([1, 0.5], np.float32), n)
    labels = TrainingSet(
        np.concatenate([base.features, base.features]), np.concatenate([base.targets] * 2), "single", 10, (64,),
        propagated=Propagated(sources, weights), pool=base.pool,
    )  # fmt: skip
    trained = train(labels, Recipe(1, QUICK))
    assert trained.pool is not None
    # With the copies of held-out items among the learned ones, the network alone would be right on nearly all of them.
    assert trained.pool["right_without"] < 0.9
    taught = labels.taught(np.full((300, 10), 0.1))
    assert taught.propagated is not None
    assert taught.propagated.weights.mean() == pytest.approx(1)
    assert not taught.own[n:].any()


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"learns_from": "labels"}},
        {"config": {"loss": "focal"}},
        {"config": {"max_seconds": 0.5}},
        {"pool": None},
        {"question": "multi"},
        {"most": 50},
    ],
    ids=str,
)
def test_where_the_pool_cannot_be_learned_the_labels_are(changes, monkeypatch):
    monkeypatch.setattr(trainer, "MOST_LABELS", changes.get("most", 10_000))
    labels = digits_set(60)
    if "pool" in changes:
        labels = replace(labels, pool=None)
    if "question" in changes:
        labels = replace(labels, question="multi", targets=np.eye(10, dtype=bool)[labels.targets])
    config = replace(QUICK, **changes.get("config", {}))
    trained = train(labels, Recipe(1, config))
    assert trained.pool is None
    if config.max_seconds is None:
        alone = train(replace(labels, pool=None), Recipe(1, replace(config, learns_from="labels")))
        for name, tensor in alone.model.network.state_dict().items():
            assert torch.equal(tensor, trained.model.network.state_dict()[name])


def test_soft_labels_of_people_spread_as_they_are():
    labels = digits_set(40)
    soft = csr_array(np.full((40, 10), 0.1))
    assert np.allclose(replace(labels, soft=soft).labels(), 0.1)
    assert trainer._Plan.of(replace(labels, soft=soft), Recipe(1, QUICK), Runtime()).training_set.soft is None
