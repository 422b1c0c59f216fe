"""Test that a network as ONNX gives the same probabilities in another runtime, for any number of rows, with its
metadata.
"""

import json
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from model_data import blobs, train_on

from models_store.config import TrainConfig
from models_store.encoders import Pixels
from models_store.model import Model
from models_store.networks import ConvNet, ConvNetConfig
from models_store.onnx_export import OnnxMissing, to_onnx
from models_store.prediction import predict, probabilities
from tests.extent import some


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@pytest.mark.long
@pytest.mark.parametrize("question", some(["single", "multi"]))
def test_a_perceptron_with_its_standardisation(question: str) -> None:
    pool = blobs(60, seed=1)
    features = pool.features * 100 + 7  # without the standardisation nothing would be right
    model = train_on(
        type(pool)(features, pool.classes, pool.n_classes),
        question=question,
        config=TrainConfig(epochs=3, min_steps=20),
    ).model
    session = session_of(to_onnx(model, dtype=features.dtype, metadata={"classes": ["a", "ü"], "digest": "f" * 64}))
    expected = np.concatenate([p for _, p in probabilities(model, features)])
    embeddings = np.concatenate([part.embeddings for part in predict(model, features)])
    for n in (1, 2, 60):
        p, e = session.run(["probabilities", "embeddings"], {"features": features[:n]})
        assert p == pytest.approx(expected[:n], abs=1e-5)
        assert e == pytest.approx(embeddings[:n], abs=1e-4)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == ["a", "ü"]
    assert said["digest"] == "f" * 64


@pytest.mark.long
def test_a_convolutional_network_takes_pixels_as_they_are() -> None:
    torch.manual_seed(0)
    shape = Pixels.fit([]).input_shape
    network = ConvNet(ConvNetConfig(input_shape=shape, n_classes=3)).eval()
    torch.nn.init.normal_(network.head.weight)
    model = Model(question="verify", n_classes=3, input_shape=shape, network=network)
    features = np.random.default_rng(0).integers(0, 256, (5, int(np.prod(shape))), dtype=np.uint8)
    session = session_of(to_onnx(model, dtype=features.dtype, metadata={}))
    assert session.get_inputs()[0].type == "tensor(uint8)"
    (p,) = session.run(["probabilities"], {"features": features.reshape(-1, *shape)})
    for proposed in range(3):
        asked = np.full(5, proposed)
        expected = np.concatenate([yes for _, yes in probabilities(model, features, proposed=asked)])
        assert p[:, proposed] == pytest.approx(expected, abs=1e-5)


def test_without_the_packages_it_says_how_to_get_them(monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    model = Model("single", 2, (3,), torch.nn.Linear(3, 2))
    with pytest.raises(OnnxMissing, match=r"onnxscript is not installed.*requirements-export\.txt"):
        to_onnx(model, dtype=np.dtype(np.float32), metadata={})
