"""Generated recordings: tones whose pitch may be the class."""

import io
from functools import cache

import numpy as np
import soundfile


def wave(hertz: float, seconds: float, rate: int = 16_000, *, seed: int = 0) -> np.ndarray:
    """Return a tone that swells and fades, with some noise."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=len(time))
    swell = np.sin(np.pi * time / max(seconds, 1e-9)) ** 2
    return (swell * (0.5 * np.sin(2 * np.pi * hertz * time) + 0.02 * noise)).astype(np.float32)


def recording(
    hertz: float = 440,
    seconds: float = 0.5,
    form: str = "WAV",
    *,
    rate: int = 16_000,
    subtype: str | None = None,
    seed: int = 0,
) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave(hertz, seconds, rate, seed=seed), rate, format=form, subtype=subtype)
    return buffer.getvalue()


@cache
def silence(seconds: float, form: str = "FLAC", *, subtype: str | None = None) -> bytes:
    """Return a long silent recording, generated quickly."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(int(seconds * 8000), np.int16), 8000, format=form, subtype=subtype)
    return buffer.getvalue()
