"""Test the metrics of the control slice against independent references."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix, precision_score, recall_score

from models_store import metrics
from tests.extent import examples, some


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(counts):
    successes, n = counts
    reference = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    low, high = metrics.wilson(successes, n)
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=1e-9)
    assert 0 <= low <= successes / n <= high <= 1


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("n", some([30, 200, 1000]))
def test_the_interval_covers_the_truth_about_95_times_in_100(share, n):
    """The coverage is exact, summed over all outcomes."""
    outcomes = np.arange(n + 1)
    covered = [low <= share <= high for low, high in (metrics.wilson(int(k), n) for k in outcomes)]
    assert binom.pmf(outcomes[covered], n, share).sum() == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize("counts", [(-1, 3), (4, 3), (1, 0)])
def test_what_is_no_share_is_refused(counts):
    with pytest.raises(ValueError, match="no share"):
        metrics.wilson(*counts)


def test_accuracy_counts_what_is_right_and_of_several_classes_what_is_all_right():
    share = metrics.accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0]))
    assert (share.value, share.n) == (0.75, 4)
    assert (share.low, share.high) == metrics.wilson(3, 4)
    assert metrics.accuracy(np.zeros(0), np.zeros(0)) == metrics.Share(None, 0.0, 1.0, 0)
    truth = np.array([[1, 0], [1, 1], [0, 0]], dtype=bool)
    predicted = np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)
    assert metrics.accuracy(truth, predicted).value == pytest.approx(2 / 3)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="belong together"):
        metrics.accuracy(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="belong together"):
        metrics.confusion(np.zeros(3, dtype=int), np.zeros(4, dtype=int), 2)


classes = st.integers(0, 80).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 5), min_size=n, max_size=n).map(np.array)] * 2)
)


@given(classes)
def test_confusion_and_counts_agree_with_scikit_learn(pair):
    truth, predicted = (part.astype(int) for part in pair)
    counts = metrics.confusion(truth, predicted, 6)
    each = metrics.per_class(truth, predicted, 6)
    if len(truth):
        labels = list(range(6))
        np.testing.assert_array_equal(counts, confusion_matrix(truth, predicted, labels=labels))
        options = {"labels": labels, "average": None, "zero_division": np.nan}
        np.testing.assert_allclose(each.precision, precision_score(truth, predicted, **options))
        np.testing.assert_allclose(each.recall, recall_score(truth, predicted, **options))
    assert counts.sum() == len(truth)
    np.testing.assert_array_equal(each.truth, counts.sum(axis=1))
    np.testing.assert_array_equal(each.predicted, counts.sum(axis=0))
    np.testing.assert_array_equal(each.correct, np.diag(counts))


@given(classes)
def test_confused_pairs_are_the_mistakes_in_the_confusion_matrix(pair):
    truth, predicted = (part.astype(int) for part in pair)
    counts = metrics.confusion(truth, predicted, 6)
    pairs = metrics.confused_pairs(truth, predicted, limit=100)
    assert all(counts[is_, taken] == n and is_ != taken for is_, taken, n in pairs)
    assert sum(n for _, _, n in pairs) == (truth != predicted).sum()
    assert [n for _, _, n in pairs] == sorted((n for _, _, n in pairs), reverse=True)
    assert metrics.confused_pairs(truth, predicted, limit=2) == pairs[:2]


def test_per_class_counts_of_multi_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.random((2, 60, 4)) < 0.4
    reference = multilabel_confusion_matrix(truth, predicted)
    each = metrics.per_class(truth, predicted, 4)
    np.testing.assert_array_equal(each.correct, reference[:, 1, 1])
    np.testing.assert_array_equal(each.truth, reference[:, 1].sum(axis=1))
    np.testing.assert_array_equal(each.predicted, reference[:, :, 1].sum(axis=1))


def test_classes_out_of_range_and_matrices_too_large_are_refused():
    with pytest.raises(ValueError, match="lie in 0 … 1"):
        metrics.confusion(np.array([2]), np.array([0]), 2)
    with pytest.raises(ValueError, match="too large; use confused_pairs"):
        metrics.confusion(np.array([2]), np.array([0]), 20_000)
    assert metrics.per_class(np.array([19_999]), np.array([0]), 20_000).truth[19_999] == 1


@pytest.mark.long
def test_the_interval_of_a_mean_covers_it_where_large_values_are_rare():
    """Values are exponential; for log-normal values, the interval covers the mean more often than the usual one."""

    def covered(draw, truth):
        ours = usual = 0
        rng = np.random.default_rng(0)
        for seed in range(40):
            values = draw(rng)
            found = metrics.mean(values, seed=seed)
            ours += found.low <= truth <= found.high
            usual += abs(values.mean() - truth) <= 1.96 * values.std(ddof=1) / np.sqrt(len(values))
        return ours / 40, usual / 40

    assert covered(lambda rng: rng.exponential(size=60), 1.0)[0] >= 0.9
    ours, usual = covered(lambda rng: rng.lognormal(sigma=1.0, size=60), np.exp(0.5))
    assert ours > usual


@pytest.mark.long
@given(st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0, 1e6]) | st.floats(-10, 10), min_size=2, max_size=12))
@settings(max_examples=examples(30), deadline=None)
def test_a_mean_lies_within_its_interval(values):
    found = metrics.mean(np.array(values))
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(("values", "expected"), [([2.0], (2.0, None, None, 1)), ([3.0, 3.0, 3.0], (3.0, 3.0, 3.0, 3))])
def test_the_mean_of_one_value_has_no_interval_and_that_of_equal_ones_no_width(values, expected):
    found = metrics.mean(np.array(values))
    assert (found.value, found.low, found.high, found.n) == expected


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(ValueError, match="one number or more"):
        metrics.mean(np.array(values))
