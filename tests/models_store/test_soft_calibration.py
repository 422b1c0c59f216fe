"""Test soft calibration errors against slow references from the paper, and their gradients against finite
differences.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models_store.questions import named
from models_store.training import losses
from models_store.training.losses import certainty, s_avuc, sb_ece

seeds = st.integers(0, 2**32 - 1)


def slow_sb_ece(confidence, right, bins, sharpness):
    """Compute section 4 of arXiv 2108.00106 by sums over items and bins."""
    n = len(confidence)
    weight, sure, came = [0.0] * bins, [0.0] * bins, [0.0] * bins
    for c, a in zip(confidence, right, strict=True):
        logs = [-((c - (j + 0.5) / bins) ** 2) / sharpness for j in range(bins)]
        top = max(logs)
        total = sum(math.exp(log - top) for log in logs)
        for j in range(bins):
            membership = math.exp(logs[j] - top) / total
            weight[j] += membership
            sure[j] += membership * c
            came[j] += membership * a
    square = sum(weight[j] / n * (sure[j] / weight[j] - came[j] / weight[j]) ** 2 for j in range(bins) if weight[j] > 0)
    return math.sqrt(square)


def slow_s_avuc(entropy, right, n_classes, threshold, softness):
    """Compute section 5 of arXiv 2108.00106."""
    sums = {"au": 0.0, "ic": 0.0, "ac": 0.0, "iu": 0.0}
    for h, a in zip(entropy, right, strict=True):
        share = min(max(h / math.log(n_classes), 1e-6), 1 - 1e-6)
        odds = share * (1 - threshold) / ((1 - share) * threshold)
        unsure = 1 / (1 + odds ** (-1 / softness))
        sums["au" if a else "iu"] += unsure * math.tanh(h)
        sums["ac" if a else "ic"] += (1 - unsure) * (1 - math.tanh(h))
    return math.log(1 + (sums["au"] + sums["ic"]) / max(sums["ac"] + sums["iu"], 1e-6))


def drawn(seed, m):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random(m)), torch.from_numpy((rng.random(m) < 0.7).astype(float))


@settings(deadline=None)
@given(seed=seeds, m=st.integers(1, 40), bins=st.integers(1, 20), sharpness=st.sampled_from([1e-4, 0.01, 0.3]))
def test_sb_ece_is_what_the_paper_says(seed, m, bins, sharpness):
    confidence, right = drawn(seed, m)
    expected = slow_sb_ece(confidence.tolist(), right.tolist(), bins, sharpness)
    assert sb_ece(confidence, right, bins=bins, sharpness=sharpness).item() == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(
    seed=seeds,
    m=st.integers(1, 40),
    n_classes=st.sampled_from([2, 10, 20_000]),
    threshold=st.sampled_from([0.1, 0.5, 0.9]),
    softness=st.sampled_from([0.05, 0.1, 1.0]),
)
def test_s_avuc_is_what_the_paper_says(seed, m, n_classes, threshold, softness):
    share, right = drawn(seed, m)
    entropy = share * math.log(n_classes)
    expected = slow_s_avuc(entropy.tolist(), right.tolist(), n_classes, threshold, softness)
    found = s_avuc(entropy, right, n_classes=n_classes, threshold=threshold, softness=softness)
    assert found.item() == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(logits=arrays.arrays(np.float64, (7, 3), elements=st.floats(-4, 4)), objective=st.sampled_from(["ece", "avuc"]))
def test_gradients_are_those_of_finite_differences(logits, objective):
    """Gradients are taken from the logits on. Items with two equally probable classes are left out, because the error
    jumps there.
    """
    top = np.sort(logits, axis=1)
    if (top[:, -1] - top[:, -2]).min() < 1e-3:
        return
    targets = torch.arange(7) % 3

    def value(logits):
        confidence, entropy, right, n_classes = certainty(named("single"), logits, targets)
        return sb_ece(confidence, right) if objective == "ece" else s_avuc(entropy, right, n_classes=n_classes)

    assert torch.autograd.gradcheck(value, torch.from_numpy(logits).requires_grad_(), eps=1e-6, atol=1e-4)


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize(
    "logits",
    [[0.0, 0.0, 0.0], [80.0, -80.0, 0.0], [1e4, -1e4, 0.0], [-1e30, 1e30, 0.0]],
    ids=["even", "sure", "surer", "as sure as float32 goes"],
)
def test_the_ends_have_finite_values_and_gradients(logits, right):
    """The cases are an even prediction, with infinite odds of being unsure, and one that rules out all other
    classes.
    """
    tensor = torch.tensor([logits] * 4, requires_grad=True)
    best = int(np.argmax(logits))
    targets = torch.full((4,), best if right else (best + 1) % 3)
    confidence, entropy, came, n_classes = certainty(named("single"), tensor, targets)
    assert torch.equal(came, torch.full((4,), right))
    total = sb_ece(confidence, came) + s_avuc(entropy, came, n_classes=n_classes)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("doubt", [1e-3, 1e-5])
def test_a_batch_that_is_right_and_all_but_sure_has_a_finite_gradient(doubt):
    """Late in most trainings, the lower bins have a mass near the smallest float."""
    confidence = (1 - doubt * torch.linspace(0.1, 1, 64)).requires_grad_()
    sb_ece(confidence, torch.ones(64)).backward()
    assert torch.isfinite(confidence.grad).all()


def test_where_the_error_is_nothing_the_gradient_is_nothing_too():
    confidence = torch.tensor([1.0, 1.0], requires_grad=True)
    value = sb_ece(confidence, torch.ones(2))
    value.backward()
    assert value == 0
    assert torch.equal(confidence.grad, torch.zeros(2))


def test_yes_or_no_answers_are_looked_at_one_by_one():
    logits, targets = torch.tensor([[2.0, -1.0], [-3.0, 0.5]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    confidence, entropy, right, n_classes = certainty(named("multi"), logits, targets)
    p = 1 / (1 + np.exp(-np.array([2.0, 1.0, 3.0, 0.5])))
    np.testing.assert_allclose(confidence, p, rtol=1e-6)
    np.testing.assert_allclose(entropy, -(p * np.log(p) + (1 - p) * np.log(1 - p)), rtol=1e-6)
    assert right.tolist() == [1, 0, 1, 1]
    assert n_classes == 2


def test_of_very_many_answers_evenly_spread_ones_are_looked_at(monkeypatch):
    monkeypatch.setattr(losses, "MOST_ANSWERS", 10)
    logits = torch.linspace(-3, 3, 95).reshape(5, 19)
    confidence, *_ = certainty(named("multi"), logits, torch.zeros(5, 19))
    assert len(confidence) == 10
    np.testing.assert_allclose(confidence, torch.sigmoid(logits.reshape(-1)[::10].abs()), rtol=1e-6)
