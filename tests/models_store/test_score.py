"""Test scores against a slow reference."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models_store.config import TrainConfig
from models_store.prediction import predict
from models_store.questions import named
from models_store.training import Recipe, TrainingSet, train
from tests.extent import examples, some

SCORE, SINGLE = named("score"), named("single")
logits_of = st.integers(2, 7).flatmap(
    lambda k: arrays(np.float32, (4, k), elements=st.floats(-15, 15, width=32, allow_subnormal=False))
)


def above_by_hand(row: np.ndarray) -> np.ndarray:
    p = np.exp(row.astype(float) - row.max())
    p /= p.sum()
    return np.array([p[k + 1 :].sum() for k in range(len(p) - 1)])


@settings(max_examples=examples(50), deadline=None)
@given(logits=logits_of, data=st.data())
def test_loss_and_decision_are_those_of_one_question_after_the_other(logits, data):
    k = logits.shape[1]
    targets = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=4, max_size=4)))
    losses = SCORE.losses(torch.from_numpy(logits), torch.from_numpy(targets)).cross_entropy
    decision = SCORE.decide(torch.from_numpy(logits), None)
    for row in range(4):
        above = above_by_hand(logits[row])
        by_hand = -sum(np.log(p if targets[row] > point else 1 - p) for point, p in enumerate(above))
        assert losses[row].item() == pytest.approx(by_hand, rel=2e-3, abs=2e-3)
        assert decision.margins[row].item() == pytest.approx(np.abs(2 * above - 1).min(), abs=1e-4)
        if np.abs(above - 0.5).min() > 1e-4:
            assert decision.best[row].item() == (above > 0.5).sum()
            p = -np.diff(np.concatenate([[1.0], above, [0.0]]))
            assert decision.confidence[row].item() == pytest.approx(p[decision.best[row]], abs=1e-5)


@settings(max_examples=examples(30), deadline=None)
@given(logits=logits_of)
def test_error_vectors_are_the_gradient_of_the_loss_were_the_own_answer_right(logits):
    given_logits = torch.from_numpy(logits).double().requires_grad_()
    best = SCORE.decide(given_logits, None).best.long()
    SCORE.losses(given_logits, best).cross_entropy.sum().backward()
    torch.testing.assert_close(
        SCORE.error_vectors(given_logits.detach(), None), given_logits.grad, atol=1e-6, rtol=1e-5
    )


def test_of_two_points_it_is_one_question_of_yes_or_no():
    logits, targets = torch.randn(20, 2), torch.arange(20) % 2
    torch.testing.assert_close(
        SCORE.losses(logits, targets).cross_entropy, SINGLE.losses(logits, targets).cross_entropy
    )
    torch.testing.assert_close(SCORE.decide(logits, None).margins, SINGLE.decide(logits, None).margins)


def test_guessing_by_frequencies_costs_what_it_costs():
    targets = torch.tensor([0] * 5 + [1] * 3 + [3] * 2)
    shares = torch.bincount(targets, minlength=4) / 10
    logits = torch.log(shares.clamp_min(1e-12)).expand(10, 4)
    assert SCORE.guessing_loss(targets) == pytest.approx(
        SCORE.losses(logits, targets).cross_entropy.mean().item(), rel=1e-4
    )


@pytest.mark.parametrize(
    ("form", "secondary"), some([("cross-entropy", "s-avuc"), ("focal", "sb-ece"), ("brier", "none")])
)
def test_a_scale_is_learned(form, secondary):
    """Points of a line are blurred: most answers are right, and almost none is more than a point off."""
    rng = np.random.default_rng(3)
    place = rng.uniform(0, 5, 1500)
    features = np.stack([place + rng.normal(0, 0.15, 1500), rng.normal(size=1500)], 1).astype(np.float32)
    targets = place.astype(np.int64)
    config = TrainConfig(loss=form, secondary=secondary, secondary_weight=0.2, epochs=10, calibration_labels=0)
    trained = train(TrainingSet(features[:1000], targets[:1000], "score", 5, (2,)), Recipe(1, config))
    best = np.concatenate([part.best for part in predict(trained.model, features[1000:])])
    off = np.abs(best - targets[1000:])
    assert (off == 0).mean() > 0.75
    assert (off <= 1).mean() > 0.98
