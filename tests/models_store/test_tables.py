"""Test that tables in mixed units are brought to one scale, and that embeddings stay as they are."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from models_store import encoders
from models_store.encoders import EncodingError
from models_store.encoders.table import FAR, Table

rng = np.random.default_rng(0)
MIXED = rng.normal(size=(400, 5)) * [1, 1, 1, 1000, 0] + [0, 5, -3, 2000, 7]


def test_each_column_has_median_zero_and_the_spread_of_a_normal_distribution():
    features = Table.fit(MIXED).encode(MIXED)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.median(features, axis=0), 0, atol=1e-6)
    low, high = np.percentile(features[:, :4], [25, 75], axis=0)
    np.testing.assert_allclose(high - low, 1.349, rtol=1e-5)
    assert (features[:, 4] == 0).all(), "a column that does not vary"


def test_outliers_change_no_scale_and_are_cut_off():
    outlier = MIXED.copy()
    outlier[0, 0] = 1e9
    features = Table.fit(outlier).encode(outlier)
    assert features[0, 0] == FAR
    np.testing.assert_allclose(features[1:, 1:4], Table.fit(MIXED).encode(MIXED)[1:, 1:4], rtol=1e-5)


def test_a_column_that_is_mostly_zero_keeps_its_numbers():
    sparse = MIXED.copy()
    sparse[:, 1] = np.where(rng.random(400) < 0.1, 3, 0)
    features = Table.fit(sparse).encode(sparse)
    assert len(np.unique(features[:, 1])) == 2


def principal_components(rows):
    centred = rows - rows.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2].T


DIGITS = load_digits().data
UNIT = DIGITS / np.linalg.norm(DIGITS, axis=1, keepdims=True)
SKEWED = rng.normal(size=(500, 60)) * np.geomspace(100, 0.1, 60)


@pytest.mark.parametrize(
    "rows", [DIGITS, UNIT, principal_components(DIGITS), principal_components(SKEWED), np.full((9, 3), 4.0)]
)
def test_embeddings_pixels_and_components_stay_as_they_are(rows):
    outlier = np.concatenate([rows, rows[:1] * 1e4])
    for fitted_to in (rows, outlier):
        np.testing.assert_array_equal(Table.fit(fitted_to).encode(rows), rows.astype(np.float32))


def test_it_is_saved_and_refuses_what_vectors_refuse(tmp_path):
    fitted = Table.fit(MIXED)
    fitted.save(tmp_path / "encoder.npz")
    loaded = encoders.load(tmp_path / "encoder.npz")
    assert loaded.digest == fitted.digest
    np.testing.assert_array_equal(loaded.encode(MIXED), fitted.encode(MIXED))
    assert loaded.encode([]).shape == (0, 5)
    with pytest.raises(EncodingError, match="not finite"):
        loaded.encode([[1, 2, 3, 4, float("nan")]])
    with pytest.raises(EncodingError, match="4 numbers, expected 5"):
        loaded.encode([[1, 2, 3, 4]])
    with pytest.raises(ValueError, match="without a sample"):
        Table.fit([])


def test_one_row_is_no_table():
    np.testing.assert_array_equal(Table.fit([[1.0, 2000.0]]).encode([[3.0, 4.0]]), [[3, 4]])
