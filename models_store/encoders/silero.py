"""Encode recordings by their log-mel spectrum and by what a network hears that was trained to find speech."""

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, SupportsBytes

import numpy as np

from models_store.encoders.base import EncoderSetupError, EncodingError, State, first_line
from models_store.encoders.log_mel import LogMel, audio_library
from models_store.encoders.options import Option

# torch is loaded where it is used: web processes read this class, and never encode.
if TYPE_CHECKING:
    from torch import Tensor

PACKAGED = "silero-vad-16k"
RATE = 16_000
FRAME, BEFORE = 512, 64
"""Samples of a frame, and those before it that the network hears with it."""
AT_ONCE = 1024
"""Frames that go through the convolutions together: bounds the memory, whatever the length."""
STRIDES = (1, 2, 2, 1)
HEARD = 512
"""Mean and deviation of 128 numbers of the convolutions and 128 of the memory."""
SHAPES = {
    "stft_conv.weight": (258, 1, 256),
    "conv1.weight": (128, 129, 3), "conv1.bias": (128,), "conv2.weight": (64, 128, 3), "conv2.bias": (64,),
    "conv3.weight": (64, 64, 3), "conv3.bias": (64,), "conv4.weight": (128, 64, 3), "conv4.bias": (128,),
    "lstm_cell.weight_ih": (512, 128), "lstm_cell.weight_hh": (512, 128),
    "lstm_cell.bias_ih": (512,), "lstm_cell.bias_hh": (512,),
}  # fmt: skip
"""The weights that are read; the network's last layer is left out."""


class Silero(LogMel):
    """The numbers of `log-mel`, and mean and deviation over time of what Silero's speech detector makes of 32 ms each:
    of its convolutions and of its memory (https://github.com/snakers4/silero-vad, version 6, 16 kHz).

    The encoder stores the weights, so that a changed or deleted file does not affect a project.
    """

    name: ClassVar[str] = "silero"
    meaning: ClassVar[str] = (
        "The loudness of each band of pitch, and features from a network trained on speech in 6,000 languages "
        "among noises. It tells voices, animals and machines apart."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "weights": Option(
            "The weights of Silero's speech detector for 16 kHz, .safetensors.",
            weights=True,
            packages={PACKAGED: "silero_vad/data/silero_vad_16k.safetensors"},
            digests={PACKAGED: "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1"},
        )
    }

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__(bands=40)
        if {name: array.shape for name, array in weights.items()} != SHAPES:
            raise ValueError("not the weights of Silero's speech detector")
        self.weights = weights
        self.dim += HEARD
        self.input_shape = (self.dim,)

    @classmethod
    def fit(cls, samples: Sequence[bytes], *, weights: Path) -> Self:  # type: ignore[override]
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = load_file(weights)
            return cls({name: found[name] for name in SHAPES})
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise EncoderSetupError(f"{weights}: not Silero's weights for 16 kHz ({first_line(error)})") from error

    def encode(self, raws: Sequence[SupportsBytes]) -> np.ndarray:
        features = np.empty((len(raws), self.dim), dtype=self.dtype)
        for index, raw in enumerate(raws):
            features[index, :-HEARD] = self.figures(raw, index)
            features[index, -HEARD:] = self._heard(_wave(raw, index))
        return features

    def state(self) -> State:
        return dict(self.weights)

    @classmethod
    def from_state(cls, state: State) -> Self:
        return cls(state)

    @cached_property
    def _tensors(self) -> "dict[str, Tensor]":
        import torch

        return {name: torch.from_numpy(array) for name, array in self.weights.items()}

    def _heard(self, wave: np.ndarray) -> np.ndarray:
        """Return mean and deviation of the network's numbers over all frames, (HEARD,), of (n,) samples."""
        import torch
        from torch.nn.functional import pad

        samples = pad(torch.from_numpy(wave), (BEFORE, -len(wave) % FRAME))
        frames = samples.unfold(0, BEFORE + FRAME, FRAME)
        with torch.inference_mode():
            seen = torch.cat([self._convolved(part) for part in frames.split(AT_ONCE)])
            held = self._remembered(seen)
        return np.concatenate(
            [each.numpy() for part in (seen, held) for each in (part.mean(0), part.std(0, correction=0))]
        )

    def _convolved(self, frames: "Tensor") -> "Tensor":
        """Return (m, 128) of (m, BEFORE + FRAME) samples."""
        from torch.nn.functional import conv1d, pad, relu

        w = self._tensors
        real, imaginary = conv1d(
            pad(frames[:, None], (0, 64), mode="reflect"), w["stft_conv.weight"], stride=128
        ).chunk(2, 1)
        x = (real**2 + imaginary**2).sqrt()
        for number, stride in enumerate(STRIDES, start=1):
            x = relu(conv1d(x, w[f"conv{number}.weight"], w[f"conv{number}.bias"], stride=stride, padding=1))
        return x.mean(-1)

    def _remembered(self, seen: "Tensor") -> "Tensor":
        """Return the (m, 128) states of the network's memory after each of (m, 128) frames."""
        import torch

        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            lstm = torch.nn.LSTM(128, 128)
        lstm.load_state_dict(
            {f"{name.removeprefix('lstm_cell.')}_l0": each for name, each in self._tensors.items() if "lstm" in name}
        )
        states: Tensor = lstm(seen)[0]
        return states


def _wave(raw: SupportsBytes, index: int) -> np.ndarray:
    """Return the mean of all channels at 16 kHz, (n,) float32; n >= 1."""
    soundfile, soxr = audio_library("soundfile"), audio_library("soxr")
    try:
        with soundfile.SoundFile(io.BytesIO(bytes(raw))) as sound:
            blocks = sound.blocks(1 << 18, dtype="float32", always_2d=True)
            wave = np.concatenate([block.mean(axis=1) for block in blocks])
            rate = sound.samplerate
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError, TypeError, AssertionError) as error:
        raise EncodingError("not a recording that can be read, or a damaged one", index=index) from error
    wave = np.nan_to_num(wave, posinf=0.0, neginf=0.0)
    return np.asarray(soxr.resample(wave, rate, RATE) if rate != RATE else wave, np.float32)
