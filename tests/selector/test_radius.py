"""Test the radius within which near-copies have their source's label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from selector.radius import Radius, learn_radius
from tests.extent import examples

CHECKS = st.lists(st.tuples(st.integers(0, 12).map(lambda step: step / 8), st.booleans()), max_size=60)
SHARES = st.sampled_from([0.0, 0.02, 0.1, 0.4, 1.0])


def apart(checks):
    return np.array([height for height, _ in checks]), np.array([agrees for _, agrees in checks], bool)


@settings(max_examples=examples(200), deadline=None)
@given(CHECKS, SHARES, st.sampled_from([0.5, 0.9, 0.99]), st.integers(1, 6))
def test_as_scipys_exact_test_of_each_radius_says(checks, error, confidence, radii):
    heights, agreed = apart(checks)
    ordered = sorted(heights)
    # The smallest height that a share of 1 / radii, 2 / radii … of the checks does not exceed.
    tested = sorted({ordered[-(-len(ordered) * part // radii) - 1] for part in range(1, radii + 1)}) if checks else []
    trusted, possible = None, []
    for radius in tested:
        inside = agreed[heights <= radius]
        test = binomtest(int((~inside).sum()), len(inside))
        # Two-sided at 1 - 2 · alpha is one-sided at 1 - alpha each.
        bounds = test.proportion_ci(max(1 - 2 * (1 - confidence) / len(tested), 0), method="exact")
        trusted = radius if bounds.high <= error else trusted
        possible += [radius] if bounds.low <= error else []
    reach = None if possible[-1:] == tested[-1:] else max(possible, default=0.0)
    assert learn_radius(heights, agreed, error=error, confidence=confidence, radii=radii) == Radius(trusted, reach)


@settings(max_examples=examples(200), deadline=None)
@given(CHECKS.filter(bool), SHARES, st.data())
def test_more_disagreement_enlarges_neither(checks, error, data):
    heights, agreed = apart(checks)
    fewer = agreed & np.array(data.draw(st.lists(st.booleans(), min_size=len(agreed), max_size=len(agreed))))
    before, after = (learn_radius(heights, values, error=error) for values in (agreed, fewer))
    assert (after.trusted or 0) <= (before.trusted or 0)
    limits = [np.inf if each.reach is None else each.reach for each in (before, after)]
    assert limits[1] <= limits[0]
    assert (before.trusted or 0) <= limits[0]


def test_without_checks_nothing_is_trusted_and_no_limit_is_known():
    assert learn_radius([], [], error=0.05) == Radius(None, None)


def test_copies_that_are_all_wrong_have_no_reach():
    assert learn_radius([0.1, 0.2] * 20, [False] * 40, error=0.05) == Radius(None, 0.0)


def test_the_reach_is_the_largest_radius_that_is_not_refuted():
    heights = np.repeat([0.1, 0.2, 0.3], 40)
    assert learn_radius(heights, heights < 0.3, error=0.1, radii=3) == Radius(0.2, 0.2)


def test_few_checks_prove_nothing_and_refute_nothing():
    assert learn_radius([0.1, 0.2], [True, True], error=0.05) == Radius(None, None)


@pytest.mark.parametrize("steepness", [0.5, 2.0, 8.0])
def test_the_error_within_the_trusted_radius_is_seldom_more_than_promised(steepness):
    """Copies have heights from 0 to 1, and a share of 0.4 · height ** steepness disagrees."""
    rng = np.random.default_rng(0)
    error, runs, broken, trusting = 0.1, 600, 0, 0
    for _ in range(runs):
        heights = rng.random(150)
        agreed = rng.random(150) >= 0.4 * heights**steepness
        trusted = learn_radius(heights, agreed, error=error, confidence=0.9).trusted
        trusting += trusted is not None
        # The mean of 0.4 · h ** steepness over the heights up to the radius.
        broken += trusted is not None and 0.4 * trusted**steepness / (steepness + 1) > error
    assert broken / runs <= 0.1
    assert steepness < 2 or trusting / runs > 0.5, "a promise that is never made is worth nothing"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heights": [[0.1]]}, "heights must be one real number an item"),
        ({"heights": [np.nan]}, "heights must not be NaN"),
        ({"agreed": [True, False]}, "agreed must be one truth value for each of 1 heights"),
        ({"agreed": [1]}, "agreed must be one truth value for each of 1 heights"),
        ({"error": 1.5}, "error must be a number from 0 to 1"),
        ({"confidence": "high"}, "confidence must be a number from 0 to 1"),
        ({"radii": 0}, "radii must be a whole number of at least 1"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_line(change, message):
    arguments = {"heights": [0.1], "agreed": [True], "error": 0.05} | change
    with pytest.raises(ValueError, match=message) as refusal:
        learn_radius(arguments.pop("heights"), arguments.pop("agreed"), **arguments)
    assert "\n" not in str(refusal.value)
