"""Test that labels which people confirm correct probabilities, as far as people would have seen errors."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.certifying.experience import Checked, correct

N, SURE, WRONG, ACCEPTED = 4000, np.array([0.9]), 0.05, 0.3


def test_labels_that_people_confirm_count_as_far_as_they_see_errors() -> None:
    rng = np.random.default_rng(0)
    wrong = rng.random(N) < WRONG
    given = ~wrong | (rng.random(N) < ACCEPTED)
    blind, shown, naive = (
        1 - correct(SURE, Checked(np.full(N, SURE[0]), right, accepted=accepted))[0]
        for right, accepted in ((~wrong, 0.0), (given, np.full(N, ACCEPTED)), (given, 0.0))
    )
    assert blind == pytest.approx(WRONG, rel=0.15)
    assert shown == pytest.approx(WRONG, rel=0.2)
    assert naive < 0.85 * shown


def test_labels_that_people_always_confirm_tell_nothing() -> None:
    found = correct(SURE, Checked(np.full(N, SURE[0]), np.ones(N, bool), label_error=0.01, accepted=0.99))
    assert found == pytest.approx(SURE, abs=0.001)
