"""Test the further trainings for calibration: their held-back labels, their agreement with the model, and
interruptions.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_data import Pool, blobs, labeled, train_on

from models_store.config import TrainConfig
from models_store.prediction import predict, probabilities
from models_store.reliability import calibration
from models_store.training import Progress, Recipe, Runtime, Stopped, TrainingSet, calibrate, forget, trainer
from models_store.training.calibrating import FEWEST, LARGEST_PART, LEAST_REPRESENTATIVE, MOST_TRAININGS, further_parts
from models_store.training.run import Run
from models_store.training.trainer import numbered
from models_store.training.training_set import split_off_validation
from tests.extent import examples, some

QUICK = TrainConfig(min_steps=5, epochs=2)


def some_labels(classes: np.ndarray, question: str = "single") -> TrainingSet:
    features = np.zeros((len(classes), 2), np.float32)
    if question == "verify":
        return TrainingSet(features, classes % 2 == 0, question, 50, (2,), classes // 2)
    if question == "multi":
        return TrainingSet(features, classes[:, None] == np.arange(5), question, 5, (2,))
    return TrainingSet(features, classes, question, 50, (2,))


def noisy(n: int, seed: int) -> Pool:
    """Return a pool with a quarter of random labels, which make a network that memorises them overconfident."""
    pool, rng = blobs(n, seed=seed), np.random.default_rng(seed)
    return Pool(pool.features, np.where(rng.random(n) < 0.25, rng.integers(0, 4, n), pool.classes), 4)


@settings(deadline=None, max_examples=examples(40))
@given(
    n=st.integers(1, 3000),
    wanted=st.integers(0, 4000),
    n_classes=st.integers(1, 50),
    question=st.sampled_from(["single", "multi", "verify"]),
    seed=st.integers(0, 99),
)
def test_each_label_is_held_back_once_at_most_and_no_class_is_lost(n, wanted, n_classes, question, seed):
    classes = np.random.default_rng(seed).integers(0, n_classes, n)
    labels, rng = some_labels(classes, question), np.random.default_rng(seed)
    _, held_back = split_off_validation(labels, 0.1, rng)
    parts = further_parts(labels, held_back, np.ones(n, bool), TrainConfig(calibration_labels=wanted), rng)
    everything = np.concatenate([held_back, *parts])
    assert len(np.unique(everything)) == len(everything)
    assert len(everything) <= max(wanted, len(held_back))
    assert len(parts) <= MOST_TRAININGS
    for part in parts:
        assert 0 < len(part) <= n * LARGEST_PART
        if question != "multi":
            assert set(classes[np.setdiff1d(np.arange(n), part)]) == set(classes)
    if n >= FEWEST and wanted >= n > 3 * n_classes:
        assert len(everything) > 0.6 * n  # nearly all that four parts of a fifth can be


def test_as_many_trainings_as_are_needed():
    def trainings(n, **config):
        labels, rng = some_labels(np.zeros(n, np.int64)), np.random.default_rng(0)
        config = TrainConfig(**config)
        _, held_back = split_off_validation(labels, config.validation_share, rng)
        return [len(part) for part in further_parts(labels, held_back, np.ones(n, bool), config, rng)]

    assert trainings(10_000) == []  # 1,000 are held back as it is
    assert trainings(8000) == []  # 800 nearly are what is wanted
    assert trainings(5000) == [500]
    assert trainings(2000) == [400, 400]
    assert trainings(500) == [100] * 4
    assert trainings(FEWEST - 1) == []
    assert trainings(500, calibration_labels=0) == []
    assert trainings(500, temperature="none") == []
    assert trainings(500, max_seconds=60.0) == []


@pytest.mark.long
def test_a_model_of_few_labels_is_about_as_sure_as_it_is_right():
    """The overconfidence on new items is 0.03 to 0.06 over four models, and 0.12 to 0.13 without calibration."""
    new = noisy(3000, seed=50)

    def surer(model):
        p = np.concatenate([part for _, part in probabilities(model, new.features)])
        return calibration(p.max(axis=1).clip(0, 1), p.argmax(axis=1) == new.classes).ece

    fitted, plain = [], []
    for seed in range(2):
        model = train_on(noisy(300, seed=seed), seed=seed, config=TrainConfig(epochs=20)).model
        fitted.append(surer(model))
        model.network.calibration.set(1.0)
        plain.append(surer(model))
    assert np.mean(fitted) < 0.08
    assert np.mean(fitted) < 0.7 * np.mean(plain)


@pytest.mark.long
def test_they_end_where_the_model_ended_and_never_see_what_they_are_asked(monkeypatch):
    """The checks are faked, because the end of a real training depends on the processor's rounding."""
    errors = iter([0.4, 0.2, 0.2, 0.9, 0.9])  # the third is the last good one; two worse ones are beyond patience
    seen = []
    real = Run.fit

    def fit(self, progress, *, until=1.0):
        real(self, progress, until=until)
        rows = self.gradients.stream.take(0, len(self.gradients.stream._rows))
        seen.append((until, self.state.best_share, self.state.step / self.state.steps, set(rows.tolist())))

    asked = []
    labeled_logits = trainer.labeled_logits
    monkeypatch.setattr(Run, "fit", fit)
    monkeypatch.setattr(Run, "_evaluate", lambda self: (1.0, next(errors)))
    monkeypatch.setattr(
        trainer, "labeled_logits", lambda *given: asked.append(set(given[2].tolist())) or labeled_logits(*given)
    )
    train_on(noisy(1500, seed=1), config=TrainConfig(patience=2, epochs=10))
    (_, best, stopped, _), *further = seen
    assert (best, stopped) == (3 * 22 / 211, 5 * 22 / 211)  # a check after each pass of 22 steps, of ten passes
    assert len(further) == 3
    for until, _, share, _ in further:
        assert until == best
        assert best <= share < best + 0.01  # no step beyond the first that gets there, of more than a hundred
    for (_, _, _, rows), held_back in zip(seen, asked, strict=True):  # and all else was learned
        assert not rows & held_back
        assert len(rows | held_back) == 1500


@pytest.mark.parametrize("n", some([300, 1500]))
def test_labels_drawn_at_random_alone_tell_it_if_there_are_enough(monkeypatch, n):
    asked = []
    labeled_logits = trainer.labeled_logits
    monkeypatch.setattr(trainer, "labeled_logits", lambda *given: asked.extend(given[2]) or labeled_logits(*given))
    representative = np.arange(n) % 2 == 0 if n == 1500 else np.arange(n) < LEAST_REPRESENTATIVE - 1
    train_on(blobs(n, seed=1), config=QUICK, representative=representative)
    assert len(asked) == len(set(asked))
    if n == 300:  # too few of them
        assert {*asked} - {*np.flatnonzero(representative)}
    else:
        assert {*asked} <= {*np.flatnonzero(representative)}
        assert len(asked) > 700  # but for one a class


class Killed(BaseException):
    pass


@pytest.mark.parametrize("further", some([1, 3]))
def test_cut_short_in_one_it_ends_the_same_without_beginning_again(tmp_path, further):
    pool, checkpoint, seen = blobs(300, seed=1), tmp_path / "c.safetensors", []

    def killed(at):
        if at.further == further and at.step == 5:
            raise Killed

    whole = train_on(pool, config=QUICK)
    with pytest.raises(Killed):
        train_on(pool, config=QUICK, checkpoint=checkpoint, checkpoint_seconds=0, progress=killed)
    resumed = train_on(pool, config=QUICK, checkpoint=checkpoint, checkpoint_seconds=1000, progress=seen.append)
    assert whole.calibration is not None
    assert whole.calibration == resumed.calibration
    assert next((at.further, at.step) for at in seen if at.step < at.steps) == (further, 5)
    forget(checkpoint)
    assert list(tmp_path.glob("*.safetensors")) == []


def test_forgetting_leaves_other_files_alone_and_needs_none(tmp_path):
    (tmp_path / "other.safetensors").touch()
    checkpoint = tmp_path / "training.safetensors"
    for number in (0, 1, 2):
        numbered(checkpoint, number).touch()
    forget(checkpoint)
    forget(checkpoint)
    assert [path.name for path in tmp_path.glob("*.*")] == ["other.safetensors"]


@pytest.mark.parametrize("n", some([300, 1500]))
def test_put_off_it_comes_to_the_same_and_no_margin_hangs_on_it(tmp_path, n):
    """With 1,500 labels, the model's own held-back labels also calibrate."""
    pool, checkpoint = noisy(n, seed=1), tmp_path / "c.safetensors"
    whole, sealed = train_on(pool, config=QUICK), train_on(pool, config=QUICK, later=True)
    assert (sealed.calibration, sealed.calibration_size) == (None, 0)
    before = next(predict(sealed.model, pool.features))

    def stop_once(at):
        if (at.further, at.step) == (2, 4) and not resumed:
            resumed.append(at)
            raise Stopped

    resumed: list[Progress] = []
    recipe, runtime = Recipe(sealed.seed, QUICK), Runtime(checkpoint, progress=stop_once)
    again = partial(calibrate, sealed.model, sealed.later, labeled(pool), recipe, runtime)
    with pytest.raises(Stopped):
        again()
    assert again() == (whole.calibration, whole.calibration_size)
    model = replace(sealed.model, calibration=whole.calibration)
    there, after = next(predict(whole.model, pool.features)), next(predict(model, pool.features))
    assert np.array_equal(after.margins, before.margins)
    assert np.array_equal(after.best, there.best)
    assert np.array_equal(after.confidence, there.confidence)
    assert not np.array_equal(after.confidence, before.confidence)


def test_progress_tells_which_training_it_is():
    seen = []
    train_on(blobs(300, seed=1), config=QUICK, progress=seen.append)
    assert [at.further for at in seen] == sorted(at.further for at in seen)
    assert {at.further for at in seen} == {0, 1, 2, 3, 4}
    shares = [at.share for at in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
