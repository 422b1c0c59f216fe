"""Test that a model that was trained elsewhere is read, and that each fault of its file is named in one line."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import SOFTMAX, endless_graph, hungry_graph, linear_graph, packed, zipped
from model_data import blobs, train_on
from onnx import numpy_helper
from skl2onnx import to_onnx as to_onnx_of
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from models_store import artifact, registering
from models_store.config import TrainConfig
from models_store.encoders import Vector
from models_store.networks import Adaptive, GraphError, graph
from models_store.onnx_export import to_onnx
from models_store.prediction import predict, probabilities
from models_store.registering import Expected, Registered, RegisterError
from tests.extent import some

DIM = 12
CLASSES = ("a", "b", "c", "d")
WEIGHTS = np.random.default_rng(0).normal(size=(DIM, 4)).astype(np.float32)
EXPECTED = Expected("single", CLASSES, Vector(DIM))
FACTS = {
    "question": "single",
    "classes": list(CLASSES),
    "encoder": {"name": "vector", "digest": EXPECTED.encoder.digest},
}
LINEAGE = {key: value for key, value in FACTS.items() if key != "question"}
FEATURES = blobs(50, seed=5, dim=DIM).features


def read(tmp_path: Path, content: bytes, expected: Expected = EXPECTED) -> Registered:
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    registered = registering.read_model(path, expected)
    assert registering.check_predictions(registered.model, FEATURES) >= 0
    return registered


def all_probabilities(registered: Any) -> np.ndarray:
    return np.concatenate([p for _, p in probabilities(getattr(registered, "model", registered), FEATURES)])


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_columns_follow_the_names_of_the_classes(tmp_path: Path) -> None:
    registered = read(tmp_path, packed(linear_graph(WEIGHTS[:, :3]), FACTS, classes=["c", "a", "d"]))
    expected = softmax(FEATURES @ WEIGHTS[:, :3])
    found = all_probabilities(registered)
    assert found[:, [2, 0, 3]] == pytest.approx(expected, abs=1e-5)
    assert found[:, 1] == pytest.approx(0, abs=1e-6)
    assert registered.unknown == ["b"]
    [part] = predict(registered.model, FEATURES)
    assert part.embeddings == pytest.approx(FEATURES)  # the graph has no embeddings


@pytest.mark.parametrize("kind", some([LogisticRegression, RandomForestClassifier]))
def test_a_classifier_of_scikit_learn_as_the_how_to_says(tmp_path: Path, kind: Any) -> None:
    pool = blobs(120, seed=1, dim=DIM)
    names = np.array(CLASSES)[pool.classes]
    classifier = kind(random_state=0).fit(pool.features[names != "d"], names[names != "d"])
    made = to_onnx_of(classifier, pool.features[:1], options={"zipmap": False}).SerializeToString()
    registered = read(tmp_path, packed(made, FACTS, classes=list(classifier.classes_)))
    assert all_probabilities(registered)[:, :3] == pytest.approx(classifier.predict_proba(FEATURES), abs=1e-4)
    assert registered.unknown == ["d"]
    made = to_onnx_of(classifier, pool.features[:1]).SerializeToString()
    with pytest.raises(GraphError, match=r"zipmap=False|no output 'probabilities'"):
        read(tmp_path, packed(made, FACTS, classes=list(classifier.classes_)))


def test_a_graph_that_is_saved_or_sent_to_another_process_is_the_same_model(tmp_path: Path) -> None:
    registered = read(tmp_path, packed(linear_graph(WEIGHTS), FACTS))
    digest = artifact.save_registered(tmp_path / "v1", registered.model, manifest={"source": dict(registered.source)})
    loaded = artifact.load(tmp_path / "v1", digest=digest, calibration="")
    for same in (loaded, pickle.loads(pickle.dumps(registered.model))):
        assert all_probabilities(same) == pytest.approx(all_probabilities(registered))
    assert "It was trained elsewhere" in (tmp_path / "v1" / "README.md").read_text()


@pytest.mark.parametrize("question", some(["multi", "verify", "single"]))
def test_an_exported_graph_comes_back_in(tmp_path: Path, question: str) -> None:
    model = train_on(blobs(80, seed=1, dim=DIM), question=question, config=TrainConfig(epochs=2, min_steps=20)).model
    content = to_onnx(model, dtype=FEATURES.dtype, metadata={**FACTS, "question": question})
    registered = read(tmp_path, content, Expected(question, CLASSES, Vector(DIM)))
    proposed = np.arange(50) % 4 if question == "verify" else None
    for name in ("best", "embeddings"):
        one, other = (
            getattr(next(predict(each, FEATURES, proposed=proposed)), name) for each in (model, registered.model)
        )
        assert one == pytest.approx(other, abs=1e-4), name


def test_a_saved_version_comes_back_in_with_its_calibration_and_other_places_of_classes(tmp_path: Path) -> None:
    trained = train_on(blobs(120, seed=1, dim=DIM), question="single", config=TrainConfig(epochs=3, min_steps=30))
    trained.model.network.calibration.set(0.8, 0.1)
    digest = artifact.save(tmp_path / "v1", trained, manifest=LINEAGE)
    artifact.calibrate(tmp_path / "v1", Adaptive(0.5, -0.3), digest=digest, fitted_to=9, measured={})
    model = artifact.load(tmp_path / "v1", calibration=None)
    files = {path.name: path.read_bytes() for path in (tmp_path / "v1").iterdir()}
    names = {f"some folder/{name}": content for name, content in files.items()}
    registered = read(tmp_path, zipped(names), Expected("single", ("d", "b", "a", "c"), Vector(DIM)))
    assert all_probabilities(registered)[:, [2, 1, 3, 0]] == pytest.approx(all_probabilities(model), abs=1e-5)


def external() -> bytes:
    model = onnx.load_model_from_string(linear_graph(WEIGHTS))
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/passwd")
    return bytes(model.SerializeToString())


nothing = numpy_helper.from_array(np.array([np.nan], np.float32), "nothing")
half = numpy_helper.from_array(np.array([0.5], np.float32), "half")
MINE = onnx.helper.make_node("Mine", ["logits"], ["probabilities"], domain="x.y")
NAN = [SOFTMAX[0], ("Mul", ["logits", "nothing"], ["nan"]), ("Softmax", ["nan"], ["probabilities"])]
HALF = [SOFTMAX[0], ("Softmax", ["logits"], ["p"]), ("Mul", ["p", "half"], ["probabilities"])]
MEAN = [
    ("ReduceMean", ["features"], ["mean"]),
    ("Sub", ["features", "mean"], ["centred"]),
    ("MatMul", ["centred", "w"], ["logits"]),
    SOFTMAX[1],
]
FAULTS = {
    "question": (packed(linear_graph(WEIGHTS), FACTS, question="multi"), "answers the question 'multi'.*asks 'single'"),
    "encoder": (packed(linear_graph(WEIGHTS), FACTS, encoder={"name": "x", "digest": "7"}), "another encoder, 'x'"),
    "no encoder": (packed(linear_graph(WEIGHTS), FACTS, encoder=None), "another encoder"),
    "strange": (packed(linear_graph(WEIGHTS), FACTS, classes=["a", "b", "c", "yes"]), "does not have: 'yes'"),
    "twice": (packed(linear_graph(WEIGHTS), FACTS, classes=["a", "a", "c", "d"]), "names? a class twice"),
    "no classes": (packed(linear_graph(WEIGHTS), FACTS, classes={}), "no list `classes`"),
    "newer": (packed(linear_graph(WEIGHTS), FACTS, format_version=2), "format 2, and this release reads 1"),
    "hash": (packed(linear_graph(WEIGHTS), FACTS, sha256="0" * 64), "does not match its sha256"),
    "list": (zipped({"model.onnx": b"", "manifest.json": b"[]"}), "no JSON object"),
    "not JSON": (zipped({"model.onnx": b"", "manifest.json": b"{"}), "not JSON"),
    "no manifest": (zipped({"model.onnx": b""}), r"no manifest\.json"),
    "no model": (zipped({"manifest.json": b"{}", "weights.bin": b""}), "neither model.onnx nor model.safetensors"),
    "both": (zipped({"model.onnx": b"", "model.safetensors": b"", "manifest.json": b"{}"}), "both"),
    "two": (zipped({"a/model.onnx": b"", "b/model.onnx": b"", "manifest.json": b"{}"}), "model.onnx twice"),
    "outside": (
        zipped({"../../model.onnx": b"", "manifest.json": b"{}"}),
        r"outside its folder, '\.\./\.\./model\.onnx'",
    ),
    "method": (zipped({"model.onnx": b"x" * 99, "manifest.json": b"{}"}, zipfile.ZIP_BZIP2), "unusual method"),
    "broken zip": (packed(linear_graph(WEIGHTS), FACTS)[40:], "cannot be read"),
    "no graph": (packed(b"\x00 no graph", FACTS), "is no ONNX graph"),
    "text": (b"id,label\n1,a\n", "is no ONNX graph"),
    "bare": (linear_graph(WEIGHTS), "has no manifest"),
    "external": (packed(external(), FACTS), "keeps 'w' in another file"),
    "custom": (packed(linear_graph(WEIGHTS, [SOFTMAX[0], MINE], opsets=["x.y"]), FACTS), r"uses x\.y\.Mine"),
    "unknown": (
        packed(linear_graph(WEIGHTS, [SOFTMAX[0], ("Mine", ["logits"], ["probabilities"])]), FACTS),
        "cannot be run",
    ),
    "fixed": (packed(linear_graph(WEIGHTS, takes={"features": [1, DIM]}), FACTS), "dynamic first dimension"),
    "inputs": (packed(linear_graph(WEIGHTS, takes={"other": ["n", 1]}), FACTS), r"2 inputs \(features, other\)"),
    "outputs": (
        packed(linear_graph(WEIGHTS, gives={"logits": ["n", 4]}), FACTS),
        "no output 'probabilities', but 'logits'",
    ),
    "length": (packed(linear_graph(WEIGHTS[:5]), FACTS), r"inputs of the shape \(n, 5\).*shape \(n, 12\)"),
    "columns": (packed(linear_graph(WEIGHTS[:, :3]), FACTS), r"has the shape \(\d+, 3\).* not \(\d+, 4\)"),
    "logits": (
        packed(linear_graph(WEIGHTS, [("MatMul", ["features", "w"], ["probabilities"])]), FACTS),
        "no probability",
    ),
    "nan": (packed(linear_graph(WEIGHTS, NAN, more=[nothing]), FACTS), "holds nan"),
    "sums": (packed(linear_graph(WEIGHTS, HALF, more=[half]), FACTS), "add up to 0.5"),
    "beside": (packed(linear_graph(WEIGHTS, MEAN), FACTS), "differently beside other items"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    content, message = FAULTS[name]
    with pytest.raises((RegisterError, GraphError), match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.long
def test_an_endless_graph_is_ended(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(graph, "SECONDS", 3)
    with pytest.raises(GraphError, match="did not answer within 3 seconds"):
        read(tmp_path, packed(endless_graph(WEIGHTS), FACTS))


@pytest.mark.long
def test_a_graph_answers_in_parts_as_large_as_the_one_on_trial(tmp_path: Path, monkeypatch: Any) -> None:
    """A model whose trial was quick enough also answers in time later."""
    sizes, run = [], graph.Running.run

    def counted(running: graph.Running, features: np.ndarray) -> list[np.ndarray]:
        sizes.append(len(features))
        return run(running, features)

    model = read(tmp_path, packed(linear_graph(WEIGHTS), FACTS)).model
    monkeypatch.setattr(graph.Running, "run", counted)
    rows = np.zeros((1000, len(WEIGHTS)), np.float32)
    assert sum(len(part.best) for part in predict(model, rows)) == len(rows)
    assert max(sizes) == graph.MOST_ITEMS


def test_a_graph_gets_only_so_much_memory(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"cannot be run|of memory"):
        read(tmp_path, packed(hungry_graph(WEIGHTS), FACTS))


def test_no_more_is_unpacked_than_is_allowed(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(registering, "MOST_BYTES", 1 << 20)
    bomb = zipped({"model.onnx": bytes(5 << 20), "manifest.json": b"{}"}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 16
    with pytest.raises(RegisterError, match=r"model\.onnx is larger than 1 MiB"):
        read(tmp_path, bomb)
    with pytest.raises(RegisterError, match=r"model\.onnx is larger than 1 MiB"):
        read(tmp_path, bytes(2 << 20))


@pytest.mark.long
def test_a_graph_sees_nothing_of_the_environment(monkeypatch: Any) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret")
    running = graph.Running(linear_graph(WEIGHTS))
    assert b"SECRET" not in Path(f"/proc/{running._process.pid}/environ").read_bytes()


def test_a_model_of_scikit_learn_and_a_strange_network_are_refused(tmp_path: Path) -> None:
    trained = train_on(blobs(60, seed=1, dim=DIM), question="single", config=TrainConfig(epochs=1, min_steps=5))
    artifact.save(tmp_path / "v1", trained, manifest=LINEAGE)
    manifest = artifact.describe(tmp_path / "v1")
    for network, message in (
        ({"name": "estimator", "config": {}}, "as an ONNX graph"),
        ({"name": "tuned", "config": {}}, "not one that is registered here"),
    ):
        document = {**manifest, "network": network}
        document["digest"] = artifact._digest(document)
        files = {path.name: path.read_bytes() for path in (tmp_path / "v1").iterdir()}
        with pytest.raises(RegisterError, match=message):
            read(tmp_path, zipped({**files, "manifest.json": artifact._written(document)}))
    files["model.safetensors"] = files["model.safetensors"][:-8]
    with pytest.raises(RegisterError, match=r"^model\.safetensors: truncated or changed"):
        read(tmp_path, zipped(files))
