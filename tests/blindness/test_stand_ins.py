"""Test stand-ins: a model's confidence on tasks that were not picked for its doubt counts like that on picked tasks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp

from labeling.steps.batch_tasks import stand_ins

SURE = st.floats(0.01, 1.0)


@given(own=arrays(float, st.integers(0, 30), elements=SURE), picked=arrays(float, st.integers(0, 30), elements=SURE))
def test_each_task_gets_a_certainty_of_a_picked_one(own: np.ndarray, picked: np.ndarray) -> None:
    found = stand_ins(own, picked, np.random.default_rng(1))
    assert found.shape == own.shape
    if not len(picked):
        assert np.isnan(found).all()
        return
    assert np.isin(np.abs(found), picked).all()
    assert (found[np.abs(found) >= own] > 0).all(), "a word that is to count for more keeps its answer"


@given(own=arrays(float, st.integers(2, 30), elements=SURE, unique=True), seed=st.integers(0, 99))
def test_the_surest_of_a_kind_stays_the_surest(own: np.ndarray, seed: int) -> None:
    found = np.abs(stand_ins(own, np.linspace(0.1, 0.9, 50), np.random.default_rng(seed)))
    assert (np.diff(found[np.argsort(own)]) >= 0).all()


@pytest.mark.parametrize("n", [1, 40])
def test_a_calibrated_model_is_right_as_often_on_each_kind(n: int) -> None:
    """In many batches of `n` control tasks, stand-ins are as confident and as often right as predictions on picked
    tasks.
    """
    rng = np.random.default_rng(2)
    sure, right, picked_sure, picked_right = [], [], [], []
    for _ in range(8_000 // n):
        pool = 0.2 + 0.8 * rng.random(10 * n + 50)
        picked, control = np.sort(pool)[: 2 * n], rng.choice(pool, n, replace=False)
        found = stand_ins(control, picked, rng)
        is_right = rng.random(n) < control  # of the model's own word
        sure += np.abs(found).tolist()
        right += (is_right & (found > 0)).tolist()
        picked_sure += picked.tolist()
        picked_right += (rng.random(len(picked)) < picked).tolist()
    assert ks_2samp(sure, picked_sure).pvalue > 0.001
    assert abs(np.mean(right) - np.mean(picked_right)) < 0.03
