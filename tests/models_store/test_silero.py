"""Test the encoder of recordings with Silero's weights: the numbers of its own network, and what it refuses."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sounds import recording

from models_store import encoders
from models_store.encoders import EncoderSetupError, EncodingError, silero
from models_store.encoders.log_mel import LogMel
from models_store.encoders.options import settled
from models_store.encoders.silero import FRAME, PACKAGED, Silero


@pytest.fixture(scope="module")
def encoder() -> Silero:
    return Silero.fit([], **settled(Silero.options, {"weights": PACKAGED}, Path("/nonexistent")))


def folder() -> Path:
    package = find_spec("silero_vad")
    assert package is not None
    assert package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0]) / "data"


def weights_of_graph() -> dict[str, np.ndarray]:
    """Return the weights of the package's ONNX graph, which are of another training than its .safetensors."""
    import onnx

    def of(graph: Any) -> Iterator[tuple[str, np.ndarray]]:
        yield from ((each.name, onnx.numpy_helper.to_array(each)) for each in graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    yield node.output[0], onnx.numpy_helper.to_array(attribute.t)
                elif attribute.type == onnx.AttributeProto.GRAPH:
                    yield from of(attribute.g)

    found = dict(of(onnx.load(folder() / "silero_vad_16k_op15.onnx").graph))
    weights = {"stft_conv.weight": found["model.stft.forward_basis_buffer"]}
    for part in ("weight", "bias"):
        weights |= {f"conv{n}.{part}": found[f"model.encoder.{n - 1}.reparam_conv.{part}"] for n in range(1, 5)}
        weights |= {f"lstm_cell.{part}_{of}": found[f"model.decoder.rnn.{part}_{of}"] for of in ("ih", "hh")}
        weights[f"final.{part}"] = found[f"model.decoder.decoder.2.{part}"]
    return weights


def test_the_network_hears_what_that_of_the_package_hears() -> None:
    import onnxruntime

    rng = np.random.default_rng(0)
    wave = (rng.normal(size=20 * FRAME) * np.linspace(0, 0.3, 20 * FRAME)).astype(np.float32)
    graph = onnxruntime.InferenceSession(folder() / "silero_vad_16k_op15.onnx")
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (64, 0)), 64 + FRAME)[::FRAME]
    state, expected = np.zeros((2, 1, 128), np.float32), []
    for frame in frames:
        inputs = {"input": frame[None], "state": state, "sr": np.array(16_000)}
        speech, state = graph.run(None, inputs)
        expected.append(speech.item())
    weights = weights_of_graph()
    encoder = Silero({name: weights[name] for name in silero.SHAPES})
    with torch.inference_mode():
        held = encoder._remembered(encoder._convolved(torch.from_numpy(frames.copy()))).relu().numpy()
    logits = held @ weights["final.weight"].reshape(128) + weights["final.bias"]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-4)


def test_it_is_the_numbers_of_log_mel_and_more_each_item_by_itself(encoder: Silero) -> None:
    sounds = [recording(seconds=seconds, seed=3) for seconds in (0.001, 0.03, 0.5, 70)] + [recording(rate=44_100)]
    features = encoder.encode(sounds)
    assert (features.shape, features.dtype) == ((5, 280 + 512), np.float32)
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(features[:, :280], LogMel.fit([]).encode(sounds))
    np.testing.assert_allclose(np.vstack([encoder.encode([sound]) for sound in sounds]), features, atol=1e-5)
    assert encoder.encode([]).shape == (0, 792)


def test_long_recordings_are_heard_in_parts(encoder: Silero, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = [recording(seconds=3, seed=1)]
    whole = encoder.encode(sound)
    monkeypatch.setattr(silero, "AT_ONCE", 7)
    np.testing.assert_allclose(encoder.encode(sound), whole, atol=1e-5)


def test_the_saved_encoder_is_whole_without_the_file(encoder: Silero, tmp_path: Path) -> None:
    digest = encoder.save(tmp_path / "encoder.npz")
    again = encoders.load(tmp_path / "encoder.npz")
    assert again.digest == digest
    np.testing.assert_array_equal(again.encode([recording()]), encoder.encode([recording()]))


def test_other_weights_and_no_recordings_are_refused(encoder: Silero, tmp_path: Path) -> None:
    save_file({"conv1.weight": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(EncoderSetupError, match="not Silero's weights for 16 kHz"):
        Silero.fit([], weights=tmp_path / "w.safetensors")
    with pytest.raises(EncodingError, match="not a recording") as error:
        encoder.encode([recording(), b"nothing"])
    assert error.value.index == 1
    with pytest.raises(EncodingError, match="without any sound"):
        encoder.encode([recording(seconds=0)])
