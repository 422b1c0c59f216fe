"""Texts as latent semantic vectors: hashed words and word pairs, TF-IDF, truncated SVD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from models_store.encoders.base import Encoder, EncodingError, State, thinned

# scipy and scikit-learn are loaded where they are used: web processes read this class, and never encode.
if TYPE_CHECKING:
    from scipy import sparse

DIM = 128
HASH_BITS = 18
MAX_TERMS = 50_000
"""Terms kept, the most frequent first: bounds the saved file at 25 MB."""
RARE = 2
"""Terms in fewer texts say nothing about how texts relate; in pools of under `SMALL` texts all are kept."""
SMALL = 200


class TfidfSvd(Encoder):
    """At most 128 numbers for each text: fewer, but at least one, if the sample has a lower rank.

    Words and pairs of neighbouring words, lower-cased, are hashed to 2^18 terms; counts are damped (1 + ln tf),
    weighted by idf = ln((1 + n) / (1 + df)) + 1 and scaled to length one; then projected on the leading right singular
    vectors of the sample. A text without a known term becomes zeros.
    """

    name: ClassVar[str] = "tfidf-svd"
    kind: ClassVar[str] = "text"
    meaning: ClassVar[str] = "The words of a text, weighted by how rare they are in the pool. Quick, in any language."
    fit_samples: ClassVar[int] = 20_000
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, terms: np.ndarray, idf: np.ndarray, components: np.ndarray) -> None:
        """Make the encoder from `terms` (t,) hashes in ascending order, `idf` (t,) and `components` (t, dim); t may be
        0.
        """
        if terms.shape != idf.shape or components.ndim != 2 or len(components) != len(terms):
            raise ValueError("terms, idf and components do not belong together")
        self.terms = terms
        self.idf = idf
        self.components = components
        self.dim = components.shape[1]
        self.input_shape = (self.dim,)

    @classmethod
    def fit(cls, samples: Sequence[str]) -> Self:
        from sklearn.utils.extmath import randomized_svd

        counts = _counts(thinned(samples, cls.fit_samples))
        terms, idf = _vocabulary(counts)
        if not len(terms):
            return cls(terms, idf, np.zeros((0, 1), dtype=np.float32))
        weights = _weights(counts, terms, idf)
        rank = min(DIM, *weights.shape)
        _, strengths, directions = randomized_svd(weights, rank, n_iter=4, random_state=0)
        # Directions beyond the rank of the sample are noise of the arithmetic.
        kept = strengths > 1e-5 * strengths[0]
        kept[0] = True
        return cls(terms, idf, np.ascontiguousarray(directions[kept].T, dtype=np.float32))

    def encode(self, raws: Sequence[str]) -> np.ndarray:
        counts = _counts(raws)
        if not len(raws) or not len(self.terms):
            return np.zeros((len(raws), self.dim), dtype=self.dtype)
        weights = _weights(counts, self.terms, self.idf)
        return np.asarray(weights @ self.components, dtype=self.dtype)

    def state(self) -> State:
        return {"terms": self.terms, "idf": self.idf, "components": self.components}

    @classmethod
    def from_state(cls, state: State) -> Self:
        return cls(state["terms"], state["idf"], state["components"])


def _counts(texts: Sequence[str]) -> sparse.csr_matrix:
    """Count the hashed terms of m texts: (m, 2^HASH_BITS) float32."""
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer

    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise EncodingError(f"expected a text, not {type(text).__name__}", index=index)
    hashing = HashingVectorizer(
        n_features=2**HASH_BITS,
        ngram_range=(1, 2),
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106 (the linter sees a password)
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    if not len(texts):
        return sparse.csr_matrix((0, 2**HASH_BITS), dtype=np.float32)
    return hashing.transform(texts)


def _vocabulary(counts: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return the terms in enough texts, ascending, and their idf."""
    texts = counts.shape[0]
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    terms = np.flatnonzero(frequency >= (RARE if texts >= SMALL else 1))
    if len(terms) > MAX_TERMS:
        terms = np.sort(terms[np.argsort(-frequency[terms], kind="stable")[:MAX_TERMS]])
    idf = np.log((1 + texts) / (1 + frequency[terms])) + 1
    return terms.astype(np.int32), idf.astype(np.float32)


def _weights(counts: sparse.csr_matrix, terms: np.ndarray, idf: np.ndarray) -> sparse.csr_matrix:
    """Return (m, t) float32 TF-IDF rows of length one (or zero)."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    weights = counts[:, terms]
    weights.data = 1 + np.log(weights.data)
    return normalize(weights @ sparse.diags(idf, dtype=np.float32), copy=False)
