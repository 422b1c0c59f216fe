"""Test that vectors are stored unchanged, and other input is refused."""

import numpy as np
import pytest

from models_store import encoders
from models_store.encoders import EncodingError, Vector


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_numbers_of_any_type_become_float32(dtype):
    vectors = [np.array([1, 2, 3], dtype=dtype), np.array([4, 5, 6], dtype=dtype)]
    encoder = encoders.get("vector").fit(vectors)
    features = encoder.encode(vectors)
    assert (encoder.dim, encoder.input_shape, features.dtype) == (3, (3,), np.float32)
    np.testing.assert_array_equal(features, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(encoder.encode([[1, 2, 3]]), encoder.encode(np.array([[1, 2, 3]])))
    assert encoder.encode([]).shape == (0, 3)
    with pytest.raises(ValueError, match="without a sample"):
        Vector.fit([])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([1.0], "1 numbers, expected 2"),
        ([1.0, 2.0, 3.0], "3 numbers, expected 2"),
        ([[1.0, 2.0]], "1-D"),
        ([], "1-D"),
        (4.0, "1-D"),
        ([1.0, float("nan")], "not finite"),
        ([1.0, 1e300], "not finite"),
        (["a", "b"], "not a list of numbers"),
        ([[1.0], [1.0, 2.0]], "not a list of numbers"),
        (None, "1-D|not a list"),
    ],
)
def test_anything_else_is_refused_and_its_place_is_told(raw, words):
    with pytest.raises(EncodingError, match=words) as caught:
        Vector(2).encode([[0.0, 0.0], raw])
    assert caught.value.index == 1
