"""The scale of each feature, learned from noisy sums. Without it, features in mixed units cannot be learned.

Two Gaussian mechanisms run over all records, each of sensitivity one in units of its noise. The first counts sizes of
each feature in powers of two; the second sums each feature and its square, within the bounds from the first.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from models_store.privacy import entropy

LEAST_EXPONENT, EXPONENTS = -12, 36
"""Sizes range from 2^-12 to 2^24; smaller numbers count as 0, larger ones are cut off."""
BEYOND = 0.02
"""The share of records whose feature may lie outside the bounds."""
DEVIATIONS = 4
"""How many standard deviations of its noise a sum of counts must rise above that share."""
COMPARABLE = 8.0
"""Features whose sizes differ by no more than this factor share one scale: directions of an embedding keep their
weight."""
LEAST_SPREAD = 0.02
"""The least spread, as a share of the bounds: smaller spreads cannot be separated from noise."""


def learn(
    chunks: Callable[[], Iterable[NDArray[np.float32]]], *, n: int, dim: int, noise_multiplier: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Learn mean and gain of each feature. Costs `Phase(noise_multiplier, 1.0, 2)`.

    Parameters
    ----------
    chunks : callable
        Each call returns the n records as (m, dim) arrays.
    n, dim : int
    noise_multiplier : float

    Returns
    -------
    mean, gain : ndarray of shape (dim,), float32
        The gain of a feature without a known scale is 0.
    """

    def noisy_sum(of: Callable[[NDArray[np.float32]], NDArray[np.float64]], sensitivity: float) -> NDArray[np.float64]:
        total = sum(of(chunk) for chunk in chunks())
        assert isinstance(total, np.ndarray)
        noise = entropy.gaussian(total.shape, noise_multiplier * sensitivity)
        return np.asarray(total + noise.numpy())

    # A record adds one to one count of each feature: a vector of norm √dim.
    counts = noisy_sum(_sizes, math.sqrt(dim))
    bounds = _bounds(counts, n, noise=noise_multiplier * math.sqrt(dim))
    # Each number and each square lies in [−1, 1]: a vector of norm √(2 dim) at most.
    sums = noisy_sum(lambda chunk: _moments(chunk, bounds), math.sqrt(2 * dim)) / n
    error = noise_multiplier * math.sqrt(2 * dim) / n
    mean = np.clip(sums[0], -1, 1)
    variance = sums[1] - mean**2
    # A variance within the noise is not taken for a spread; half of the bounds stands for it.
    above_noise = variance > 4 * error
    spread = np.where(above_noise, np.sqrt(np.clip(variance, LEAST_SPREAD**2, 1)), 0.5)
    return _mean_and_gain(mean, spread, bounds)


def _mean_and_gain(
    mean: NDArray[np.float64], spread: NDArray[np.float64], bounds: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scale = spread * bounds
    known = bounds > 0
    if known.any() and scale[known].max() <= COMPARABLE * np.median(scale[known]):
        scale = np.where(known, math.sqrt(float(np.mean(scale[known] ** 2))), 0)
    gain = np.divide(1.0, scale, out=np.zeros_like(scale), where=known)
    return (mean * bounds).astype(np.float32), gain.astype(np.float32)


def _sizes(chunk: NDArray[np.float32]) -> NDArray[np.float64]:
    """Count the (m, dim) numbers of each feature by the power of two just above them: (dim, EXPONENTS)."""
    _, exponents = np.frexp(chunk)
    exponents = np.where(chunk == 0, 0, np.clip(exponents - LEAST_EXPONENT, 0, EXPONENTS - 1))
    places = exponents + EXPONENTS * np.arange(chunk.shape[1])
    return np.bincount(places.ravel(), minlength=chunk.shape[1] * EXPONENTS).reshape(-1, EXPONENTS).astype(np.float64)


def _bounds(counts: NDArray[np.float64], n: int, *, noise: float) -> NDArray[np.float64]:
    """Return (dim,) the least power of two above nearly all sizes of each feature; 0 if all its numbers count as 0.

    If the noise is too large to separate features, they share one bound.
    """
    if noise * math.sqrt(EXPONENTS) > 0.1 * n:
        counts = np.broadcast_to(counts.mean(axis=0), counts.shape)
        noise /= math.sqrt(len(counts))
    beyond = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    # The noise of a sum grows with the counts in it. With hundreds of features, two deviations are passed by chance.
    spread = noise * np.sqrt(np.arange(EXPONENTS, 0, -1))
    many = beyond > BEYOND * n + DEVIATIONS * spread
    last = np.where(many.any(axis=1), EXPONENTS - 1 - np.argmax(many[:, ::-1], axis=1), 0)
    bounds: NDArray[np.float64] = np.where(last > 0, np.exp2(last + LEAST_EXPONENT), 0.0)
    return bounds


def _moments(chunk: NDArray[np.float32], bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the numbers of each feature, and their squares, in units of the bounds and clipped there: (2, dim)."""
    inside = np.divide(chunk, bounds, out=np.zeros(chunk.shape), where=bounds > 0).clip(-1, 1)
    return np.stack([inside.sum(axis=0), np.square(inside).sum(axis=0)])
