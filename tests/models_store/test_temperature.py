"""Test that the temperature corrects overconfidence, changes no answer, and is better than any other."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_data import blobs, train_on
from torch.nn import functional as F

from models_store.config import TrainConfig
from models_store.networks.calibration import apart
from models_store.questions import named
from models_store.training.calibrating import HIGHEST, LIKELY, LOWEST, OBJECTIVES, fit_adaptive, fit_temperature
from tests.extent import examples, some


def told(n, seed, *, n_classes=5, wrong_by=1.0):
    """Draw answers by logits, and return the logits multiplied by `wrong_by`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=n_classes - 1)
    return torch.from_numpy(logits * wrong_by).float(), torch.from_numpy(targets)


@pytest.mark.parametrize("by", ["likelihood", "sb-ece"])
@pytest.mark.parametrize("wrong_by", [0.4, 1.0, 3.0])
def test_it_finds_what_the_logits_were_multiplied_by(by, wrong_by):
    logits, targets = told(6000, 1, wrong_by=wrong_by)
    assert fit_temperature(named("single"), logits, targets, by=by) == pytest.approx(wrong_by, rel=0.1)


def test_accuracy_versus_uncertainty_cools_a_model_that_is_right_and_unsure():
    """Its best temperature is no estimate of the true one, because it separates right and wrong answers by entropy."""
    logits, targets = told(2000, 1, wrong_by=0.1)
    assert fit_temperature(named("single"), logits, targets, by="s-avuc") < 0.3


@settings(deadline=None, max_examples=examples(30))
@given(seed=st.integers(0, 10_000), n=st.integers(2, 60), wrong_by=st.floats(0.2, 5))
def test_no_other_temperature_is_likelier_given_what_is_believed_beforehand(seed, n, wrong_by):
    logits, targets = told(n, seed, wrong_by=wrong_by)
    found = fit_temperature(named("single"), logits, targets, by="likelihood")
    assert LOWEST * 0.999 <= found <= HIGHEST * 1.001

    def cost(temperature):
        return F.cross_entropy(logits / temperature, targets) + (math.log(temperature) / LIKELY) ** 2 / 2 / n

    for other in np.geomspace(LOWEST, HIGHEST, 200):
        assert cost(found) <= cost(other) + 1e-5


@pytest.mark.parametrize("by", OBJECTIVES)
@pytest.mark.parametrize("question", ["multi", "verify"])
def test_yes_or_no_questions_have_one_too(by, question):
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(5000, 3) if question == "multi" else 5000) * 1.5)
    targets = (torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)) < torch.sigmoid(logits)).float()
    found = fit_temperature(named(question), logits * 4, targets, by=by)
    if by != "s-avuc":
        assert found == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize(
    ("n", "by", "words"), [(3, "guess", "unknown objective 'guess'"), (0, "likelihood", "at least one answer")]
)
def test_what_cannot_be_fitted_is_refused_in_words(n, by, words):
    with pytest.raises(ValueError, match=words):
        fit_temperature(named("single"), torch.zeros(n, 2), torch.zeros(n, dtype=torch.int64), by=by)


def test_without_labels_that_were_held_back_there_is_none():
    config = TrainConfig(temperature="likelihood", epochs=2, min_steps=10, calibration_labels=0)
    assert train_on(blobs(300, seed=1), config=config).temperature is None


@pytest.mark.parametrize("power", some([-0.4, 0.0, 0.7]))
def test_an_adaptive_one_finds_how_surely_the_logits_were_bent(power):
    """Answers are drawn by the true logits, and the network has logits bent by the inverse calibration."""
    logits, targets = told(20_000, 2)
    bent = logits.double()
    # z -> z * apart^q: then apart becomes apart^(1 + q), and z = bent * apart_bent^(-q / (1 + q)).
    q = -power / (1 + power)
    bent = bent * apart(bent) ** q * 3
    found = fit_adaptive(bent, targets)
    assert found.power == pytest.approx(power, abs=0.1)
    again = bent * found.scale * apart(bent) ** found.power
    torch.testing.assert_close(again.softmax(dim=1), logits.double().softmax(dim=1), atol=0.03, rtol=0)


def test_an_adaptive_one_is_never_less_likely_than_a_plain_one_nor_changes_an_answer():
    logits, targets = told(300, 3, wrong_by=2.0)
    found = fit_adaptive(logits, targets)
    plain = fit_temperature(named("single"), logits, targets, by="likelihood")
    scaled = logits * found.scale * apart(logits) ** found.power
    cost = math.log(plain) ** 2 / LIKELY**2 / 2 / 300
    assert F.cross_entropy(scaled, targets) <= F.cross_entropy(logits / plain, targets) + cost + 1e-6
    assert torch.equal(scaled.argmax(dim=1), logits.argmax(dim=1))


def test_a_hundred_right_answers_do_not_make_a_model_boundlessly_sure():
    logits = torch.tensor([[0.0, 3.0]] * 100)
    targets = torch.ones(100, dtype=torch.int64)
    assert 0.4 < fit_temperature(named("single"), logits, targets, by="likelihood") < 1
    assert 1 < fit_adaptive(logits, targets).scale < 3
