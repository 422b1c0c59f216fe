"""Test the sentence encoder with a real model from a local folder, without network and foreign code."""

import json
import shutil
import socket
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from sentence_model import MINILM, TINY_DIM, make_tiny

from models_store import encoders
from models_store.encoders import EncoderSetupError, EncodingError
from models_store.encoders.sentences import SentenceTransformers
from tests.extent import some

CARS = ["My car broke down.", "The automobile would not start any more."]
BREAD = "She kneads the dough for the bread."


@pytest.fixture(scope="module")
def minilm() -> SentenceTransformers:
    return SentenceTransformers.fit([], folder=MINILM)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a small model, for tests to damage."""
    return make_tiny(tmp_path / "tiny")


@pytest.fixture
def tiny(folder: Path) -> SentenceTransformers:
    """Return an encoder of the same model, which does not need the folder."""
    return SentenceTransformers.fit([], folder=folder)


@pytest.mark.long
def test_texts_that_share_no_word_but_their_meaning_lie_close(minilm: SentenceTransformers) -> None:
    features = minilm.encode([*CARS, BREAD])
    assert (features.shape, features.dtype, minilm.input_shape) == ((3, 384), np.float32, (384,))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)  # as this model has it
    alike = features @ features.T
    assert alike[0, 1] > 0.3, alike
    assert alike[0, 2] < 0.1, alike


@pytest.mark.long
def test_a_text_alone_gives_what_it_gives_among_others(minilm: SentenceTransformers) -> None:
    texts = ["short", "", "\ud800 half a pair", "a very long text " * 300, *CARS, BREAD]
    alone = np.concatenate([minilm.encode([text]) for text in texts])
    np.testing.assert_allclose(minilm.encode(texts), alone, atol=1e-5)
    assert minilm.encode([]).shape == (0, 384)


def test_what_is_no_text_is_refused_by_its_place(tiny: SentenceTransformers) -> None:
    with pytest.raises(EncodingError, match="item 1: expected a text, not int"):
        tiny.encode(["a text", 7])  # type: ignore[list-item]


def test_the_saved_encoder_is_whole_without_the_folder(
    folder: Path, tmp_path: Path, tiny: SentenceTransformers
) -> None:
    features = tiny.encode(CARS)
    digest = tiny.save(tmp_path / "encoder.npz")
    shutil.rmtree(folder)
    loaded = encoders.load(tmp_path / "encoder.npz")
    assert loaded.digest == digest == tiny.digest
    assert (loaded.dim, loaded.input_shape) == (TINY_DIM, (TINY_DIM,))
    np.testing.assert_array_equal(loaded.encode(CARS), features)


@pytest.mark.long
def test_other_weights_or_another_prompt_are_another_encoder(folder: Path, tiny: SentenceTransformers) -> None:
    assert SentenceTransformers.fit([], folder=folder).digest == tiny.digest
    prompted = SentenceTransformers.fit([], folder=folder, prompt="query: ")
    assert prompted.digest != tiny.digest
    assert np.abs(prompted.encode(CARS) - tiny.encode(CARS)).max() > 0.01
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1
    weights.write_bytes(content)
    assert SentenceTransformers.fit([], folder=folder).digest != tiny.digest


def test_code_and_pickles_in_the_folder_are_left_alone(folder: Path, tiny: SentenceTransformers) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling.py").write_text("raise SystemExit('it ran')")
    assert SentenceTransformers.fit([], folder=folder).digest == tiny.digest


def spoil(folder: Path, how: str) -> None:
    if how == "no such folder":
        shutil.rmtree(folder)
    elif how == "no weights":
        (folder / "model.safetensors").unlink()
    elif how == "weights cut off":
        with (folder / "model.safetensors").open("r+b") as file:
            file.truncate(1000)
    elif how == "no list of modules":
        (folder / "modules.json").unlink()
    elif how == "a list that is none":
        (folder / "modules.json").write_text("[{}]")
    else:
        modules = json.loads((folder / "modules.json").read_text())
        modules[1] |= {"type": "subprocess.Popen"} if how == "foreign code" else {"path": "../another"}
        (folder / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize(
    ("how", "said"),
    some(
        [
            ("no such folder", "has no modules.json"),
            ("no weights", "has no weights as .safetensors"),
            ("weights cut off", "not a model that sentence-transformers .* can load"),
            ("no list of modules", "has no modules.json"),
            ("a list that is none", "its modules.json cannot be read"),
            ("a way out", "names '../another', which is outside of it"),
            ("foreign code", r"needs code of its own \(subprocess.Popen\)"),
        ],
        4,
    ),
)
def test_a_folder_that_will_not_do_is_told_in_one_line(folder: Path, how: str, said: str) -> None:
    spoil(folder, how)
    with pytest.raises(EncoderSetupError, match=said) as error:
        SentenceTransformers.fit([], folder=folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_saved_encoder_writes_nothing_outside_its_folder(tiny: SentenceTransformers) -> None:
    state = {**tiny.state(), "file.../../escaped.txt": np.zeros(3, np.uint8)}
    with pytest.raises(EncoderSetupError, match=r"names '../../escaped\.txt', which is outside of it"):
        SentenceTransformers.from_state(state)


def test_nothing_asks_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: object) -> NoReturn:
        pytest.fail(f"the network is asked: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    # As on a machine where no variable keeps the libraries from it, and where nothing was loaded before.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert SentenceTransformers.fit([], folder=folder).encode(["hello"]).shape == (1, TINY_DIM)


def test_a_missing_library_is_told_with_what_installs_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EncoderSetupError, match="needs the package sentence_transformers") as error:
        SentenceTransformers.fit([], folder=folder)
    assert str(error.value).endswith("scripts/setup.sh requirements-encoders.txt")
