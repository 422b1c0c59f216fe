"""Test that trainings can fine-tune a sentence encoder: its pieces among the features, its network, its export."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from sentence_model import TINY_DIM, make_tiny

from models_store import artifact, encoders
from models_store.config import TrainConfig
from models_store.encoders import EncoderSetupError
from models_store.encoders.sentences import SentenceTransformers
from models_store.networks import TunedTransformer
from models_store.onnx_export import to_onnx
from models_store.prediction import probabilities
from models_store.privacy import tuning
from models_store.training import Recipe, Trained, TrainingSet, train

WINDOW = 16
TEXTS = ["The sea.", "", "a cab in the rain, and no other", "\ud800 half"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="module")
def tuned(folder: Path) -> SentenceTransformers:
    return SentenceTransformers.fit([], folder=folder, tuned="yes", pieces=WINDOW)


def network_of(encoder: SentenceTransformers, n_classes: int) -> TunedTransformer:
    network = encoder.network(n_classes)
    assert network is not None
    return network.eval()


def test_the_network_begins_as_the_encoder_sees_texts(
    folder: Path, tuned: SentenceTransformers, tmp_path: Path
) -> None:
    plain = SentenceTransformers.fit([], folder=folder)
    tuned.save(tmp_path / "encoder.npz")
    loaded = encoders.load(tmp_path / "encoder.npz")
    assert isinstance(loaded, SentenceTransformers)
    assert loaded.digest == tuned.digest != plain.digest
    assert (loaded.dim, loaded.input_shape) == (TINY_DIM + WINDOW, (TINY_DIM + WINDOW,))
    features = loaded.encode(TEXTS)
    np.testing.assert_array_equal(features[:, :TINY_DIM], plain.encode(TEXTS))
    assert np.abs(features[:, TINY_DIM:]).max() < 1e-6, "pieces do not count as distances"
    with torch.no_grad():
        embedding, logits = network_of(loaded, 3)(torch.from_numpy(features))
    of_one = torch.nn.functional.normalize(embedding).numpy()
    np.testing.assert_allclose(of_one, features[:, :TINY_DIM], rtol=1e-3, atol=1e-4)
    assert torch.equal(logits, torch.zeros(4, 3))
    assert plain.network(3) is None


def test_long_texts_are_cut_to_the_chosen_pieces_and_a_prompt_takes_part(folder: Path) -> None:
    encoder = SentenceTransformers.fit([], folder=folder, prompt="query: ", tuned="yes", pieces=WINDOW)
    features = torch.from_numpy(encoder.encode(["sea " * 200, "sea " * 100]))
    embedding, _ = network_of(encoder, 2)(features)
    assert torch.equal(embedding[0], embedding[1])
    assert encoder.digest != SentenceTransformers.fit([], folder=folder, tuned="yes", pieces=WINDOW).digest


@pytest.mark.parametrize(("layers", "learning"), [("all", 12_000), ("lora", 100)])
def test_positions_stay_and_other_weights_learn(tuned: SentenceTransformers, layers: str, learning: int) -> None:
    network = network_of(tuned, 3)
    tuning.prepare(network, layers=layers)
    still = {name for name, weight in network.named_parameters() if not weight.requires_grad}
    positions = {"body.embeddings.position_embeddings.weight", "body.embeddings.token_type_embeddings.weight"}
    assert still == positions if layers == "all" else still > positions
    assert sum(weight.numel() for weight in network.parameters() if weight.requires_grad) > learning


def test_a_model_with_another_pooling_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    pooling = other / "1_Pooling" / "config.json"
    first_piece = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    pooling.write_text(json.dumps({**json.loads(pooling.read_text()), **first_piece}))
    assert SentenceTransformers.fit([], folder=other).dim == TINY_DIM
    with pytest.raises(EncoderSetupError, match=r"not the mean of a transformer's last hidden states$") as error:
        SentenceTransformers.fit([], folder=other, tuned="yes")
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def trained(tuned: SentenceTransformers) -> tuple[Trained, np.ndarray, np.ndarray]:
    """Return a training on texts whose class is a word, their features and classes."""
    words = ("sea", "cab", "rain")
    classes = np.arange(60) % 3
    features = tuned.encode([f"text {place} of the {words[each]}" for place, each in enumerate(classes)])
    config = TrainConfig(epochs=25, validation_share=0.0, calibration_labels=0, learning_rate=0.03)
    recipe = Recipe(0, config, network=tuned.network(3))
    return train(TrainingSet(features, classes, "single", 3, tuned.input_shape), recipe), features, classes


@pytest.mark.long
def test_a_training_without_privacy_changes_the_transformer(
    tuned: SentenceTransformers, trained: tuple[Trained, np.ndarray, np.ndarray]
) -> None:
    network = trained[0].model.network
    before, after = network_of(tuned, 3).state_dict(), network.state_dict()
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert "body.embeddings.word_embeddings.weight" in changed
    assert "body.embeddings.position_embeddings.weight" not in changed
    found = np.concatenate([p for _, p in probabilities(trained[0].model, trained[1])]).argmax(axis=1)
    assert (found == trained[2]).mean() > 0.5


@pytest.mark.long
def test_versions_and_graphs_predict_the_same(trained: tuple[Trained, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    digest = artifact.save(tmp_path / "version", trained[0], manifest={})
    model, features = artifact.load(tmp_path / "version", digest=digest), trained[1][:3]
    expected = np.concatenate([p for _, p in probabilities(trained[0].model, features)])
    np.testing.assert_array_equal(np.concatenate([p for _, p in probabilities(model, features)]), expected)
    graph = to_onnx(model, dtype=np.dtype(np.float32), metadata={})
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for n in (1, 3):
        (found,) = session.run(["probabilities"], {"features": features[:n]})
        np.testing.assert_allclose(found, expected[:n], atol=1e-5)
