"""Test that labels which people confirm correct probabilities, as far as people would have seen errors."""

import numpy as np
import pytest

from labeling.finishing.certifying.corrected_probabilities import Checked, correct_probabilities, without_prior
from labeling.labels.resolving.posterior import ModelVote, Vote, posterior

N, SURE, WRONG, ACCEPTED = 4000, np.array([0.9]), 0.05, 0.3


def test_labels_that_people_confirm_count_as_far_as_they_see_errors() -> None:
    rng = np.random.default_rng(0)
    wrong = rng.random(N) < WRONG
    given = ~wrong | (rng.random(N) < ACCEPTED)
    blind, shown, naive = (
        1 - correct_probabilities(SURE, Checked(np.full(N, SURE[0]), right, accepted=accepted))[0]
        for right, accepted in ((~wrong, 0.0), (given, np.full(N, ACCEPTED)), (given, 0.0))
    )
    assert blind == pytest.approx(WRONG, rel=0.15)
    assert shown == pytest.approx(WRONG, rel=0.2)
    assert naive < 0.85 * shown


def test_labels_that_people_always_confirm_tell_nothing() -> None:
    found = correct_probabilities(SURE, Checked(np.full(N, SURE[0]), np.ones(N, bool), label_error=0.01, accepted=0.99))
    assert found == pytest.approx(SURE, abs=0.001)


@pytest.mark.parametrize(("n_classes", "sure"), [(10, 0.95), (3, 0.9), (10, 0.8)])
def test_labels_that_the_model_helped_to_settle_do_not_count_its_word_twice(n_classes: int, sure: float) -> None:
    """People err in a tenth of their answers, and up to three are asked while a label is in doubt."""
    rng = np.random.default_rng(0)
    n = 3000
    wrong = rng.random(n) >= sure
    truth = np.where(wrong, rng.integers(1, n_classes, n), 0)  # the model says 0
    labels, doubt = np.empty(n, int), np.empty(n)
    for place in range(n):
        votes: list[Vote] = []
        while len(votes) < 3 and (not votes or doubt[place] > 0.05):
            slip = (truth[place] + rng.integers(1, n_classes)) % n_classes
            votes.append(Vote(int(slip if rng.random() < 0.1 else truth[place]), 0.9))
            found = posterior(votes, n_classes, ModelVote(0, sure))
            labels[place], probability = max(found.items(), key=lambda pair: pair[1])
            doubt[place] = 1 - probability
    right, said = labels == 0, np.full(n, sure)
    error = np.where(right, doubt, without_prior(doubt, said))
    assert 1 - correct_probabilities(SURE, Checked(said, right, error)).mean() == pytest.approx(
        1 - correct_probabilities(SURE, Checked(said, ~wrong)).mean(), rel=0.2
    )
    assert (1 - correct_probabilities(said, Checked(said, right, doubt))).mean() < 0.97 * wrong.mean()
