"""Test the encoder `private-lm`: what it stores and what it computes. Its training in the loop: tests/loop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from language_data import SHAPE, network, sentences
from safetensors.torch import load, save

from models_store import encoders
from models_store.encoders import EncoderSetupError, EncodingError
from models_store.encoders.private_lm import PrivateLm, Training
from models_store.language.config import LanguageConfig
from models_store.language.embedding import embed
from models_store.language.network import weights_of
from models_store.language.wordpieces import SPECIAL, WordPieces, vocabulary_of

WORDS = [*SPECIAL, *"abcdefghijklmnopqrstuvwxyz.", *(f"##{each}" for each in "abcdefg"), "sea"]


def encoder() -> PrivateLm:
    shape = LanguageConfig(pieces=len(WORDS), width=16, window=12)
    return PrivateLm(shape, save(weights_of(network(shape))), WORDS, {"delta": 1e-5, "phases": []})


def test_a_saved_encoder_gives_the_same_numbers_and_holds_a_safetensors_file(tmp_path: Path) -> None:
    made = encoder()
    made.save(tmp_path / "encoder.npz")
    loaded = encoders.load(tmp_path / "encoder.npz")
    texts = ["the sea", "a cab", "", "x" * 50, "\ud800 half"]
    np.testing.assert_array_equal(loaded.encode(texts), made.encode(texts))
    assert (loaded.dim, loaded.input_shape, loaded.digest) == (16, (16,), made.digest)
    assert isinstance(loaded, PrivateLm)
    assert loaded.privacy["delta"] == 1e-5
    assert load(loaded.state()["model.safetensors"].tobytes()).keys() == load(made.weights).keys()


def test_with_pieces_the_network_of_a_training_begins_as_the_encoder_sees_texts(tmp_path: Path) -> None:
    plain = encoder()
    made = PrivateLm(plain.shape, plain.weights, plain.vocabulary, plain.privacy, tuned=True)
    made.save(tmp_path / "encoder.npz")
    loaded = encoders.load(tmp_path / "encoder.npz")
    texts = ["the sea", "a cab", "", "abc"]
    features = loaded.encode(texts)
    assert (loaded.dim, loaded.digest) == (16 + 12, made.digest)
    np.testing.assert_array_equal(features[:, :16], plain.encode(texts))
    assert np.abs(features[:, 16:]).max() < 1e-4, "pieces do not count as distances"

    network = loaded.network(3)
    assert network is not None
    with torch.no_grad():
        embedding, logits = network.eval()(torch.from_numpy(features))
    np.testing.assert_allclose(embedding.numpy(), features[:, :16], rtol=1e-4, atol=1e-5)
    assert torch.equal(logits, torch.zeros(4, 3))
    assert plain.network(3) is None


def test_only_texts_are_encoded() -> None:
    with pytest.raises(EncodingError, match="expected a text, not int"):
        encoder().encode(["a", 3])
    assert encoder().encode([]).shape == (0, 16)


def test_a_text_is_encoded_by_itself_over_all_its_windows() -> None:
    model, texts = network(), [*sentences(20), np.arange(5, 35, dtype=np.uint16).repeat(3)]
    together = embed(model.eval(), texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(embed(model, [text])[0], row, rtol=1e-4, atol=1e-5)
    beginning, rest = texts[-1][: SHAPE.window - 2], texts[-1][SHAPE.window - 2 : 80]
    parts = embed(model, [beginning, rest])
    np.testing.assert_allclose(embed(model, [texts[-1][:80]])[0], (parts[0] * 10 + parts[1] * 70) / 80, atol=1e-5)


def test_a_vocabulary_is_cut_and_its_unused_places_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "a", "b", "c"]))
    assert vocabulary_of(path, 7) == [*SPECIAL, "a", "b"]


def test_words_are_cut_into_known_pieces() -> None:
    ids = WordPieces(WORDS)(["Sea cab!", "sea. a"])
    assert [[WORDS[each] for each in text] for text in ids] == [["sea", "c", "##a", "##b", "[UNK]"], ["sea", ".", "a"]]


@pytest.mark.parametrize("content", [None, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na"])
def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "vocab.txt").write_text(content)
    options = {"share": 50, "steps": 20}
    training = Training(
        of=[0],
        config=PrivateLm.config(options, epsilon=2.0, delta=1e-5),
        phases=[],
        units=1,
        seed=0,
        checkpoint=(tmp_path / "pretraining.safetensors", "one"),
        progress=None,
    )
    with pytest.raises(EncoderSetupError, match="holds no vocabulary of word pieces"):
        PrivateLm.fit(["a"], vocabulary=tmp_path, size="tiny", training=training)
