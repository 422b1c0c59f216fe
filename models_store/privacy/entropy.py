"""Noise and sampling from the operating system's generator, which cannot be repeated.

A recorded seed would undo the guarantee: with the seed, which manifests and exports contain, an attacker could subtract
the noise and repeat the sampling.
"""

import math
import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CHUNK = 2**18


def poisson_sample(n: int, rate: float) -> NDArray[np.int64]:
    """Return each of 0 … n − 1 with probability `rate`, independently; (k,) int64, ascending, perhaps empty."""
    return np.flatnonzero(_uniform(n).numpy() < rate)


def gaussian(shape: torch.Size | tuple[int, ...], deviation: float) -> Tensor:
    """Return draws from N(0, deviation²), float32 of this shape.

    Each number is the sum of two draws (Holohan and Braghin 2021, 2107.10138, section 4): the last bits of a single
    draw could reveal the sum that it is added to."""
    n = math.prod(shape)
    normals = torch.empty(n)
    for start in range(0, n, 2 * _CHUNK):
        count = min(2 * _CHUNK, n - start)
        half = (count + 1) // 2
        # Box and Muller: the cosine and the sine of one draw are independent.
        radius = _uniform(2 * half).log_().mul_(-2).sqrt_()
        angle = _uniform(2 * half).mul_(2 * math.pi)
        for part, wave in enumerate((angle.cos(), angle.sin())):
            pairs = wave.mul_(radius)
            place = slice(start + part * half, start + min(half + part * half, count))
            normals[place] = (pairs[:half] + pairs[half:])[: place.stop - place.start].mul_(deviation / math.sqrt(2))
    return normals.reshape(tuple(shape))


def _uniform(n: int) -> Tensor:
    """Draw (n,) float64 in (0, 1), of 52 random bits each."""
    if n == 0:
        return torch.empty(0, dtype=torch.float64)
    bits = torch.frombuffer(bytearray(os.urandom(8 * n)), dtype=torch.int64)
    return bits.bitwise_and_(2**52 - 1).double().add_(0.5).mul_(2.0**-52)
