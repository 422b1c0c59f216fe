"""Test the text encoder: similar texts are near each other, for pools of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from models_store import encoders
from models_store.encoders import EncodingError, TfidfSvd, tfidf_svd
from tests.extent import examples

SEA = ["the ship sails the sea", "a sea of waves and a ship", "waves rock the old ship", "sail a ship over waves"]
BREAD = ["bake the bread with flour", "flour and water make bread", "the oven bakes bread", "knead flour for the oven"]


def test_it_is_tfidf_projected_on_the_leading_directions():
    """The reference uses exact words (no hashing) and a dense decomposition."""
    texts = SEA + BREAD
    counts = CountVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b").fit_transform(texts)
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts).toarray()
    features = TfidfSvd.fit(texts).encode(texts)
    assert features.shape == (8, 8)
    np.testing.assert_allclose(features @ features.T, weights @ weights.T, atol=1e-5)


def test_a_larger_pool_gives_the_full_width_and_keeps_most_of_what_is_there():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in rng.zipf(1.4, 30) % 700) for _ in range(600)]
    encoder = TfidfSvd.fit(texts)
    features = encoder.encode(texts)
    assert features.shape == (600, 128)
    assert features.dtype == np.float32
    assert (np.square(features).sum(axis=1) <= 1 + 1e-5).all()
    assert np.square(features).sum(axis=1).mean() > 0.3


def test_fitting_twice_gives_the_same_numbers():
    assert TfidfSvd.fit(SEA + BREAD).digest == TfidfSvd.fit(SEA + BREAD).digest
    assert TfidfSvd.fit(SEA + BREAD).digest != TfidfSvd.fit(SEA).digest


def test_each_text_is_encoded_by_itself():
    encoder = TfidfSvd.fit(SEA + BREAD)
    alone = np.concatenate([encoder.encode([text]) for text in BREAD])
    np.testing.assert_array_equal(encoder.encode(SEA + BREAD)[4:], alone)


def test_only_so_many_samples_and_terms_are_used(monkeypatch):
    monkeypatch.setattr(TfidfSvd, "fit_samples", 3)
    monkeypatch.setattr(tfidf_svd, "MAX_TERMS", 5)
    encoder = TfidfSvd.fit(SEA + BREAD)
    assert encoder.dim <= 3
    assert len(encoder.terms) == 5


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["", "", ""], ["word"], ["same text"] * 50, ["a", "a b"], ["…", "!?"], ["x" * 100_000], ["日本"]],
)
def test_tiny_empty_and_uniform_pools_work(texts):
    encoder = encoders.get("text").fit(texts)
    features = encoder.encode([*texts, "", "never seen before"])
    assert features.shape == (len(texts) + 2, encoder.dim)
    assert encoder.dim >= 1
    assert np.isfinite(features).all()
    assert not features[-2:].any()


def test_texts_that_are_all_the_same_have_one_direction():
    encoder = TfidfSvd.fit(["one and the same text"] * 9)
    assert encoder.dim == 1
    np.testing.assert_allclose(np.abs(encoder.encode(["one and the same text"])), [[1.0]], rtol=1e-5)


@pytest.mark.parametrize("raw", [None, 3, b"bytes", ["list"]])
def test_what_is_no_text_is_refused_and_its_place_is_told(raw):
    with pytest.raises(EncodingError, match="item 1: expected a text") as caught:
        TfidfSvd.fit(SEA).encode(["fine", raw])
    assert caught.value.index == 1


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.text(st.characters(), max_size=30), max_size=12))
def test_any_texts_at_all_give_finite_features(texts):
    encoder = TfidfSvd.fit(texts)
    features = encoder.encode(texts)
    assert features.shape == (len(texts), encoder.dim)
    assert np.isfinite(features).all()
