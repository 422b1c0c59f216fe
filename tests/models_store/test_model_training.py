"""Test training: it learns, is reproducible bit for bit, and accepts small and unbalanced sets of labels."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from model_data import ALONE, SHAPES, SHORT, Pool, asked, blobs, train_on

from models_store.config import TrainConfig
from models_store.metrics import accuracy
from models_store.prediction import predict
from models_store.training import Progress, Recipe, Trained, TrainingError, TrainingSet, train
from models_store.training.run import Run
from models_store.training.training_set import shifted, split_off_validation
from tests.extent import some

QUICK = TrainConfig(min_steps=5, epochs=2, calibration_labels=0)


def best(trained: Trained, pool: Pool, proposed: np.ndarray | None = None) -> np.ndarray:
    return np.concatenate([part.best for part in predict(trained.model, pool.features, proposed=proposed)])


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return trained.model.network.state_dict()


def same(one: Trained, other: Trained) -> bool:
    return all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


@pytest.mark.long
@pytest.mark.parametrize(("labels", "least"), [(90, 0.85)])
def test_it_learns_handwritten_digits_from_few_labels(digits, labels, least):
    order = np.random.default_rng(5).permutation(len(digits.classes))
    seen, unseen = (Pool(digits.features[rows], digits.classes[rows], 10) for rows in (order[:labels], order[labels:]))
    trained = train_on(seen, shape=SHAPES["image"], config=ALONE)
    # Over seeds 0.92, give or take 0.01: no processor's rounding comes near.
    assert accuracy(unseen.classes, best(trained, unseen)).value >= least


def test_images_too_repeat_bit_for_bit_and_another_seed_does_not(digits):
    pool = Pool(digits.features[:80], digits.classes[:80], 10)
    first, again, other = (train_on(pool, shape=SHAPES["image"], seed=seed, config=QUICK) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_global_random_state_is_neither_used_nor_changed():
    pool = blobs(60, seed=1)
    torch.manual_seed(1)
    first = train_on(pool, config=QUICK)
    torch.manual_seed(2)
    np.random.seed(3)  # noqa: NPY002
    random.seed(4)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    second = train_on(pool, config=QUICK)
    assert same(first, second)
    assert torch.equal(states[0], torch.get_rng_state())
    np.testing.assert_array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert states[2] == random.getstate()


@pytest.mark.parametrize("question", ["single", "multi", "verify"])
def test_any_number_of_labels_and_of_classes_will_do(question):
    for n in (1, 2, 65):
        pool = blobs(n, seed=1)
        trained = train_on(pool, question=question, config=QUICK)
        assert (trained.training_size, trained.validation_size, trained.checks) == (n, 0, ())
        assert len(best(trained, pool, asked(pool, question).get("proposed"))) == n
    for classes, n_classes in ((pool.classes * 0, 1), (pool.classes * 499, 2000)):
        train_on(Pool(pool.features, classes, n_classes), question=question, config=QUICK)


def test_a_class_without_labels_is_never_the_guess():
    pool = blobs(5, seed=1)
    assert (best(train_on(Pool(pool.features, np.full(5, 2), 4), config=SHORT), pool) == 2).all()
    pool = blobs(200, seed=1)
    assert best(train_on(Pool(pool.features, pool.classes, 6), config=SHORT), pool).max() < 4


def test_a_class_that_was_never_proposed_stays_in_full_doubt():
    pool = blobs(200, seed=1)
    answers = asked(pool, "verify")
    training_set = TrainingSet(pool.features, question="verify", n_classes=6, input_shape=(12,), **answers)
    trained = train(training_set, Recipe(1, SHORT))
    (part,) = predict(trained.model, pool.features, proposed=np.full(200, 5))
    assert part.margins.max() < 1e-6


def test_columns_that_never_vary_or_are_in_other_units_do_no_harm():
    pool = blobs(300, seed=1)
    constant = np.full((300, 1), 1e6, dtype=np.float32)
    units = np.logspace(-6, 6, 12, dtype=np.float32)
    odd = Pool(np.hstack([pool.features * units, constant]), pool.classes, 4)
    assert accuracy(pool.classes, best(train_on(odd, config=ALONE), odd)).value > 0.9


def test_a_memory_map_gives_the_same_as_an_array(tmp_path):
    pool = blobs(120, seed=1)
    np.save(tmp_path / "features.npy", pool.features)
    mapped = Pool(np.load(tmp_path / "features.npy", mmap_mode="r"), pool.classes, 4)
    assert same(train_on(pool, config=QUICK), train_on(mapped, config=QUICK))


def test_arguments_are_left_as_they_were():
    pool = blobs(120, seed=1)
    answers = asked(pool, "verify")
    copies = [array.copy() for array in (pool.features, *answers.values())]
    train(TrainingSet(pool.features, question="verify", n_classes=4, input_shape=(12,), **answers), Recipe(1, QUICK))
    for array, copy in zip((pool.features, *answers.values()), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_an_error_in_progress_ends_the_training_and_gives_the_random_state_back():
    def stop(at: Progress) -> None:
        raise KeyboardInterrupt

    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        train_on(blobs(30, seed=1), progress=stop)
    assert torch.equal(before, torch.get_rng_state())


def test_steps_are_bounded_from_above_and_below():
    pool = blobs(100, seed=1)
    assert train_on(pool, config=replace(QUICK, epochs=50, min_steps=1, max_steps=7)).steps == 7
    assert train_on(pool, config=replace(QUICK, epochs=1, min_steps=30)).steps == 30


def test_the_clock_ends_a_training_that_would_go_on_for_hours():
    config = TrainConfig(max_seconds=0.2, min_steps=1_000_000, max_steps=1_000_000, validation_share=0)
    trained = train_on(blobs(50, seed=1), config=config)
    assert 1 <= trained.steps < 1_000_000


@pytest.mark.parametrize(
    ("question", "errors", "last_good"),
    some(
        [
            ("single", [0.5, 0.3, 0.2, 0.23, 0.25, 0.25, 0.25], 3),  # of 100 labels, 0.04 is one standard error
            ("single", [0.1, 0.0, 0.01, 0.02, 0.02, 0.02], 2),  # one wrong answer rather than none is chance
            ("single", [0.1, 0.01, 0.02, 0.03, 0.03, 0.03], 2),  # and so are two rather than one
            ("multi", [0.1, 0.0, 0.0025, 0.005, 0.005, 0.005], 2),  # each class of an item is an answer: 400
        ],
        2,
    ),
)
def test_it_ends_with_the_latest_weights_as_good_as_the_best_when_patience_is_over(
    monkeypatch, question, errors, last_good
):
    """The checks are faked, so that the result does not depend on the processor's rounding."""
    averages = []

    def evaluate(self):
        averages.append({name: tensor.clone() for name, tensor in self.average.module.state_dict().items()})
        return 1.0, errors[len(averages) - 1]

    monkeypatch.setattr(Run, "_evaluate", evaluate)
    config = TrainConfig(patience=3, epochs=20, temperature="none")
    trained = train_on(blobs(1000, seed=1), question=question, config=config)
    assert [check.validation_errors for check in trained.checks] == errors
    assert all(torch.equal(tensor, weights(trained)[name]) for name, tensor in averages[last_good].items())


@pytest.mark.parametrize("question", ["single", "verify"])
def test_no_class_loses_its_only_label_to_validation(question):
    pool = blobs(400, seed=1)
    classes = (np.arange(400) - 389).clip(min=0)  # one label each of ten classes, many of another
    targets, proposed = (classes, None) if question == "single" else (np.ones(400, dtype=bool), classes)
    training_set = TrainingSet(pool.features, targets, question, 11, (12,), proposed)
    rows, held_back = split_off_validation(training_set, 0.5, np.random.default_rng(0))
    assert set(classes[rows].tolist()) == set(range(11))
    assert sorted([*rows, *held_back]) == list(range(400))
    assert len(held_back) == 200


def test_shifted_images_keep_their_content_and_are_never_mirrored():
    image = torch.zeros(500, 3, 32, 32, dtype=torch.uint8)
    image[:, :, 10, 12] = 200
    image[:, :, 10, 15] = 100
    moved = shifted(image, np.random.default_rng(0))
    bright, dim = (torch.nonzero(moved[:, 0] == value)[:, 1:] for value in (200, 100))
    assert torch.equal(dim - bright, torch.tensor([0, 3]).expand(500, 2))
    moves = {tuple(move) for move in (bright - torch.tensor([10, 12])).tolist()}
    assert moves == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"question": "guess"}, "unknown question 'guess'; known: single, multi, verify"),
        ({"targets": np.zeros(9, dtype=int)}, r"shape \(9,\), expected \(10,\)"),
        ({"targets": np.full(10, 4)}, "lie in 0 … 3, got 4 … 4"),
        ({"targets": np.full(10, -1)}, "lie in 0 … 3"),
        ({"targets": np.zeros(10)}, "are integers, not float64"),
        ({"proposed": np.zeros(10, dtype=int)}, "belongs to the question 'verify'"),
        ({"question": "verify", "targets": np.ones(10, dtype=bool)}, "belongs to the question 'verify'"),
        (
            {"question": "verify", "targets": np.ones(10, dtype=bool), "proposed": np.full(10, 9)},
            "proposed classes lie in 0 … 3",
        ),
        (
            {"question": "verify", "targets": np.ones(10, dtype=int), "proposed": np.zeros(10, dtype=int)},
            "are booleans",
        ),
        ({"question": "multi"}, r"expected \(10, 4\)"),
        ({"input_shape": (5,)}, r"expected \(n, 5\)"),
        ({"input_shape": (3, 4)}, r"no network takes features of the shape \(3, 4\)"),
        ({"features": np.zeros((10, 12), dtype=complex)}, "uint8 or floats"),
        ({"features": np.full((10, 12), np.inf, dtype=np.float32)}, "not finite"),
        ({"features": np.zeros((0, 12), dtype=np.float32), "targets": np.zeros(0, dtype=int)}, "no labeled item"),
        ({"n_classes": 0}, "lie in|at least one class"),
        ({"representative": np.ones(9, dtype=bool)}, r"`representative` has the shape \(9,\), expected \(10,\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_arguments_that_do_not_fit_are_refused_in_words(changes, words):
    pool = blobs(10, seed=1)
    arguments = {
        "features": pool.features,
        "targets": pool.classes,
        "question": "single",
        "n_classes": 4,
        "input_shape": (12,),
        **changes,
    }
    with pytest.raises(ValueError, match=words):
        train(TrainingSet(**arguments), Recipe(1))


def test_a_loss_that_is_no_number_is_an_error_and_not_a_model():
    config = TrainConfig(learning_rate=1.0, weight_decay=10.0, warmup_share=0)
    pool = blobs(50, seed=1)
    image = np.full((50, 3 * 32 * 32), 3e38, dtype=np.float32)
    with pytest.raises(TrainingError, match="not finite at step"):
        train_on(Pool(image, pool.classes, 4), shape=SHAPES["image"], config=config)
