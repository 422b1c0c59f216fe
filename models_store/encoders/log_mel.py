"""Encode recordings by their log-mel spectrum: the loudness of each frequency band, and its changes."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, SupportsBytes

import numpy as np

from models_store.encoders.base import Encoder, EncodingError, State, library
from models_store.encoders.options import Option

WINDOW_SECONDS = 0.032
"""Of one spectrum; the next begins half a window later. In seconds, so that all sample rates give the same bands."""
HIGHEST = 8000.0
"""Hertz. What speech, most birds and most machines say is below."""
QUIETEST = 1e-10
"""Power that counts as silence: -100 decibels."""
AT_ONCE = 512
"""Windows that are looked at together: bounds the memory, whatever the length."""
FIGURES = 7
"""Numbers for each band."""


class LogMel(Encoder):
    """Seven numbers for each band of the mel scale up to 8 kHz, by default 280 numbers for each recording.

    Mean, deviation, 10th, 50th and 90th percentile of the band's level in decibels over time; mean size and deviation
    of its change between windows. Channels are averaged. The numbers do not depend on the length of a recording; only a
    recording shorter than a window is padded with silence. Needs no fitting.
    """

    name: ClassVar[str] = "log-mel"
    kind: ClassVar[str] = "audio"
    meaning: ClassVar[str] = "The loudness of each band of pitch, and how it changes. Quick; suits sounds as a whole."
    options: ClassVar[Mapping[str, Option]] = {
        "bands": Option(
            "The number of bands into which pitches up to 8 kHz are divided. More bands tell finer pitches apart "
            "and need more labels.",
            default=40,
            low=16,
            high=128,
        )
    }
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, bands: int) -> None:
        if bands < 1:
            raise ValueError("there is at least one band")
        self.bands = bands
        self.dim = FIGURES * bands
        self.input_shape = (self.dim,)

    @classmethod
    def fit(cls, samples: Sequence[bytes], *, bands: int = 40) -> Self:
        return cls(bands)

    def encode(self, raws: Sequence[SupportsBytes]) -> np.ndarray:
        features = np.empty((len(raws), self.dim), dtype=self.dtype)
        for index, raw in enumerate(raws):
            features[index] = self.figures(raw, index)
        return features

    def figures(self, raw: SupportsBytes, index: int) -> np.ndarray:
        """Return the numbers of a recording, (7 * bands,). Raises `EncodingError`."""
        return _figures(self._levels(raw, index))

    def state(self) -> State:
        return {"bands": np.array(self.bands)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        return cls(int(state["bands"]))

    def _levels(self, raw: SupportsBytes, index: int) -> np.ndarray:
        """Return (windows, bands) float32 levels in decibels. Raises `EncodingError` if the bytes are no recording."""
        if not isinstance(raw, bytes | bytearray | memoryview | SupportsBytes):
            raise EncodingError(f"expected the bytes of a recording, not {type(raw).__name__}", index=index)
        soundfile, filters = audio_library("soundfile"), audio_library("librosa.filters")
        try:
            with soundfile.SoundFile(io.BytesIO(bytes(raw))) as sound:
                rate = sound.samplerate
                length = max(16, round(WINDOW_SECONDS * rate))
                with warnings.catch_warnings():
                    # Bands above half the sample rate, or too narrow for a frequency of their own, are always silent.
                    warnings.simplefilter("ignore")
                    mel = filters.mel(sr=rate, n_fft=length, n_mels=self.bands, fmax=HIGHEST, dtype=np.float64)
                levels = [_decibels(windows, mel) for windows in _windows(sound, length)]
        except (soundfile.SoundFileError, RuntimeError, OSError, ValueError, TypeError, AssertionError) as error:
            raise EncodingError("not a recording that can be read, or a damaged one", index=index) from error
        if not levels:
            raise EncodingError("a recording without any sound", index=index)
        return np.concatenate(levels)


def _windows(sound: Any, length: int) -> Iterator[np.ndarray]:
    """Yield (m, length) windows of the mean of all channels; each window starts half a window after the one before."""
    step = length // 2
    first = True
    for block in sound.blocks(length + step * (AT_ONCE - 1), overlap=length - step, dtype="float32", always_2d=True):
        wave = np.nan_to_num(block.mean(axis=1, dtype=np.float64), posinf=0.0, neginf=0.0)
        if first and 0 < len(wave) < length:
            wave = np.pad(wave, (0, length - len(wave)))
        if len(wave) >= length:
            yield np.lib.stride_tricks.sliding_window_view(wave, length)[::step]
        first = False


def _decibels(windows: np.ndarray, mel: np.ndarray) -> np.ndarray:
    """Return (m, bands) float32 levels of the windows; a tone has the same level at every sample rate."""
    length = windows.shape[1]
    shape = np.hanning(length + 1)[:-1]
    power = np.abs(np.fft.rfft(windows * shape, axis=1) / shape.sum()) ** 2
    levels: np.ndarray = (10 * np.log10(np.maximum(power @ mel.T, QUIETEST))).astype(np.float32)
    return levels


def _figures(levels: np.ndarray) -> np.ndarray:
    """Return the (7 * bands,) float64 features of (windows, bands) levels."""
    change = np.diff(levels, axis=0) if len(levels) > 1 else np.zeros_like(levels)
    parts = (
        levels.mean(axis=0, dtype=np.float64),
        levels.std(axis=0, dtype=np.float64),
        *np.percentile(levels, (10, 50, 90), axis=0),
        np.abs(change).mean(axis=0, dtype=np.float64),
        change.std(axis=0, dtype=np.float64),
    )
    return np.concatenate(parts)


def audio_library(name: str) -> Any:
    """Import a package of `requirements-audio.txt`. Raises `EncoderSetupError` if it is missing."""
    return library(name, encoder=LogMel.name, requirements="requirements-audio.txt")
