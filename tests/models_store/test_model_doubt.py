"""Test entropies and error vectors against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from model_data import asked, blobs

from models_store import questions
from models_store.prediction import predict
from tests.extent import examples, some

POOL = blobs(700, seed=3)


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def entropy(shares: list[float]) -> float:
    return -sum(p * np.log(p) for p in shares if p > 0)


def slow_reference(question: str, logits: np.ndarray, proposed: int, best: int) -> tuple[float, np.ndarray]:
    """Compute entropy and error vector of one item by the definitions, in float64."""
    logits = logits.astype(np.float64)
    each = [sigmoid(logit) for logit in logits]
    if question == "verify":
        error = np.zeros(len(logits))
        error[proposed] = each[proposed] - (each[proposed] >= 0.5)
        return entropy([each[proposed], 1 - each[proposed]]), error
    if question == "multi":
        return sum(entropy([p, 1 - p]) for p in each), np.array([p - (p >= 0.5) for p in each])
    shares = np.exp(logits - logits.max())
    shares = shares / shares.sum()
    error = shares.copy()
    error[best] -= 1
    return entropy(list(shares)), error


@settings(max_examples=examples(150), deadline=None)
@given(
    question=st.sampled_from(["single", "multi", "verify"]),
    logits=st.integers(1, 7).flatmap(
        lambda k: arrays(np.float32, (5, k), elements=st.floats(-10, 10, width=32, allow_subnormal=False))
    ),
    data=st.data(),
)
def test_they_are_what_the_definitions_say(question, logits, data):
    proposed = np.array(data.draw(st.lists(st.integers(0, logits.shape[1] - 1), min_size=5, max_size=5)))
    given_logits, given_proposed = torch.from_numpy(logits), torch.from_numpy(proposed)
    entropies = questions.named(question).entropies(given_logits, given_proposed)
    errors = questions.named(question).error_vectors(given_logits, given_proposed)
    assert errors.shape == logits.shape
    assert {entropies.dtype, errors.dtype} == {torch.float32}
    for row in range(5):
        expected_entropy, expected_error = slow_reference(question, logits[row], proposed[row], logits[row].argmax())
        assert entropies[row].item() == pytest.approx(expected_entropy, abs=1e-5)
        if np.abs(logits[row]).min() > 1e-5:  # a probability of a half may be rounded either way
            np.testing.assert_allclose(errors[row], expected_error, atol=2e-6)
    np.testing.assert_array_equal(given_logits.numpy(), logits)


@pytest.mark.parametrize("question", some(["single", "multi", "verify"]))
def test_with_many_classes_errors_are_projected_and_keep_their_products(question):
    n_classes = 3000
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(scale=3, size=(200, n_classes)).astype(np.float32))
    proposed = torch.from_numpy(rng.integers(20, size=200))
    projected = questions.named(question).error_vectors(logits, proposed).numpy().astype(float)
    assert projected.shape == (200, 64)
    best = logits.argmax(dim=1)
    exact = np.array(
        [
            slow_reference(question, row, asked_for, first)[1]
            for row, asked_for, first in zip(logits.numpy(), proposed.tolist(), best.tolist(), strict=True)
        ]
    )
    lengths = np.linalg.norm(exact, axis=1)
    off = (projected @ projected.T - exact @ exact.T) / np.outer(lengths, lengths)
    assert np.sqrt(np.mean(off**2)) < 0.2
    np.testing.assert_array_equal(projected, questions.named(question).error_vectors(logits, proposed))


def test_prediction_gives_them_if_asked(trained):
    proposed = asked(POOL, trained.model.question).get("proposed")
    plain = list(predict(trained.model, POOL.features, proposed=proposed))
    assert plain[0].entropies is None
    assert plain[0].errors is None
    parts = list(predict(trained.model, POOL.features, proposed=proposed, extras=("entropies", "errors"), chunk=300))
    entropies = np.concatenate([part.entropies for part in parts])
    errors = np.concatenate([part.errors for part in parts])
    assert entropies.shape == (700,)
    assert errors.shape == (700, trained.model.n_classes)
    margins = np.concatenate([part.margins for part in parts])
    if trained.model.question == "verify":  # both are functions of one probability
        order = np.lexsort((-entropies, margins))
        assert (np.diff(entropies[order]) <= 1e-5).all()


def test_an_unknown_extra_is_refused(trained):
    proposed = asked(POOL, trained.model.question).get("proposed")
    with pytest.raises(ValueError, match="unknown extra 'logits'; known: entropies, errors"):
        predict(trained.model, POOL.features, proposed=proposed, extras=("logits",))
