"""Read a model that was trained elsewhere from a file: an ONNX graph, or a version that another project saved.

The file is

- a zip with `manifest.json` and `model.onnx`,
- a zip with a folder of `models_store.artifact`: `manifest.json`, `model.safetensors`, and others that it names,
- an ONNX graph alone, with the manifest's keys in its metadata, as `models_store.onnx_export` writes them.

Nothing is unpacked by the names in a zip, and nothing is a pickle. A graph runs in a process of its own.
"""

import hashlib
import json
import tempfile
import time
import zipfile
import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import torch

from models_store import artifact, networks
from models_store.encoders import Encoder
from models_store.model import Model, as_input
from models_store.networks import Adaptive, CalibrationLayer, Edges, Graph, GraphConfig
from models_store.questions import named

FORMAT_VERSION = 1
GRAPH = "model.onnx"
MOST_BYTES = 1 << 30
"""The most bytes of a graph or of weights: they are read into memory."""
NAMES = (artifact.MANIFEST, artifact.WEIGHTS, artifact.CARD, artifact.CALIBRATION, GRAPH)
NO_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""The exceptions of zipfile for damaged, encrypted and unsupported archives."""
SAME = 1e-3
"""The largest difference between two predictions of the same item."""


class RegisterError(ValueError):
    """The file holds no model that the project can use. The message is one line for the sender."""


@dataclass(frozen=True)
class Expected:
    """What the model has to fit: the project's question, its classes by index, and its encoder."""

    question: str
    classes: tuple[str, ...]
    encoder: Encoder


@dataclass(frozen=True, eq=False)
class Registered:
    """A model whose classes are in the project's order. `source`: facts about its origin, as JSON. `unknown`: classes
    that the model never predicts.
    """

    model: Model
    source: Mapping[str, Any]
    unknown: list[str]


def read_model(path: Path, expected: Expected) -> Registered:
    """Return the model in a file. Raises `RegisterError` and `GraphError`; `EncoderSetupError` without a library that
    the model needs.
    """
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return _of_graph(_at_most(file, GRAPH), None, expected)
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            if GRAPH in members:
                return _of_graph(_content(archive, members[GRAPH]), _manifest(archive, members), expected)
            return _of_folder(archive, members, expected)
    except NO_ZIP as error:
        raise RegisterError(f"The file cannot be read: {error}.") from error


def check_predictions(model: Model, features: np.ndarray) -> float:
    """Predict n > 0 items, (n, dim), twice: together, and in parts. Return the seconds for an item.

    Raises `RegisterError` if the predictions differ, and `GraphError` if there are none.
    """
    halves = [slice(0, len(features) // 3), slice(len(features) // 3, None)]
    with torch.inference_mode():
        again = np.concatenate([_outputs(model, features, part) for part in halves if len(features[part])])
        started = time.perf_counter()
        whole = _outputs(model, features, slice(None))
        seconds = time.perf_counter() - started
    if not np.allclose(whole, again, atol=SAME):
        raise RegisterError(
            "The model predicts an item differently beside other items, or a second time: export it for inference, "
            "with dropout and batch statistics off."
        )
    return seconds / len(features)


def _outputs(model: Model, features: np.ndarray, rows: slice) -> np.ndarray:
    _, logits = model.network(as_input(features, rows, model.input_shape))
    if not torch.isfinite(logits).all():
        raise RegisterError(
            "The model's predictions are not finite: its weights are damaged, or made for other features."
        )
    p: np.ndarray = (logits.softmax(dim=1) if model.asks.softmax else logits.sigmoid()).numpy()
    return p


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's members by name, without the folder that all lie in. Raises `RegisterError`."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise RegisterError(f"The archive has a file outside its folder, {member.filename[:100]!r}: pack it again.")
        if name.name not in NAMES or len(name.parts) > 2 or member.is_dir():
            continue
        if name.name in found:
            raise RegisterError(f"The archive has {name.name} twice: keep one model in it.")
        found[name.name] = member
    if GRAPH not in found and artifact.WEIGHTS not in found:
        raise RegisterError(f"The archive has neither {GRAPH} nor {artifact.WEIGHTS}.")
    if GRAPH in found and artifact.WEIGHTS in found:
        raise RegisterError(f"The archive has both {GRAPH} and {artifact.WEIGHTS}: keep one model in it.")
    if artifact.MANIFEST not in found:
        raise RegisterError(f"The archive has no {artifact.MANIFEST}.")
    return found


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RegisterError(f"{member.filename[:100]} is compressed by an unusual method: pack it as a usual zip.")
    with archive.open(member) as file:
        return _at_most(file, member.filename)


def _at_most(file: IO[bytes], name: str) -> bytes:
    """Return the file's content. Whatever size an archive states, no more is unpacked than is allowed."""
    name = PurePosixPath(name).name
    most = artifact.MOST_MANIFEST_BYTES if name.endswith((".json", ".md")) else MOST_BYTES
    content = file.read(most + 1)
    if len(content) > most:
        raise RegisterError(f"{name} is larger than {most >> 20:,} MiB.")
    return content


def _manifest(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> dict[str, Any]:
    try:
        manifest = json.loads(_content(archive, members[artifact.MANIFEST]))
    except (ValueError, RecursionError) as error:
        raise RegisterError(f"{artifact.MANIFEST} is not JSON.") from error
    if not isinstance(manifest, dict):
        raise RegisterError(f"{artifact.MANIFEST} is no JSON object.")
    return manifest


def _of_graph(content: bytes, manifest: dict[str, Any] | None, expected: Expected) -> Registered:
    """Return the model of a graph. Without a manifest, the graph's metadata are the manifest."""
    network = Graph(GraphConfig((), 0, named(expected.question).softmax)).eval()
    network.content = content
    facts = manifest if manifest is not None else _of_metadata(network.running().metadata)
    if facts.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise RegisterError(
            f"The manifest has the format {str(facts['format_version'])[:20]}, and this release reads "
            f"{FORMAT_VERSION}: upgrade Marginalia, or write that format."
        )
    sha256 = hashlib.sha256(content).hexdigest()
    if facts.get("sha256", sha256) != sha256:
        raise RegisterError(f"{GRAPH} does not match its sha256 in the manifest: it was changed or damaged.")
    columns = _columns(facts, expected)
    order = tuple(columns.get(name, -1) for name in expected.classes)
    network.config = replace(network.config, columns=order, known=len(facts["classes"]))
    model = Model(expected.question, len(order), expected.encoder.input_shape, network)
    return Registered(model, _source("onnx", sha256, facts), [name for name in expected.classes if name not in columns])


def _of_metadata(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest in a graph's metadata."""
    if "classes" not in texts:
        raise RegisterError(
            f"The graph has no manifest: send a zip with {artifact.MANIFEST} and {GRAPH}, or a graph of `export_model`."
        )
    facts: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            facts[name] = json.loads(text)
        except (ValueError, RecursionError):
            facts[name] = text
    return facts


def _of_folder(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], expected: Expected) -> Registered:
    """Return the model of a folder that `models_store.artifact` has saved."""
    with tempfile.TemporaryDirectory() as folder:
        for name, member in members.items():
            (Path(folder) / name).write_bytes(_content(archive, member))
        try:
            facts = artifact.describe(folder)
            columns = _columns(facts, expected, without=facts.get("merged_classes") or {})
            _check_network(facts, expected)
            model = artifact.load(folder)
        except artifact.ArtifactError as error:
            raise RegisterError(f"{str(error).removeprefix(f'{folder}/').removeprefix(f'{folder}: ')}.") from error
    if model.input_shape != expected.encoder.input_shape or len(facts["classes"]) != model.n_classes:
        raise RegisterError("The weights do not fit the classes or the encoder of the manifest.")
    if missing := [name for name in expected.classes if name not in columns]:
        raise RegisterError(
            f"The model does not know {_listed(missing)}: train it with all classes, or register it as an ONNX graph."
        )
    sha256 = facts["files"][artifact.WEIGHTS]["sha256"]
    order = [columns[name] for name in expected.classes]
    return Registered(_reordered(model, order), _source("safetensors", sha256, facts), [])


def _columns(facts: Mapping[str, Any], expected: Expected, without: Container[str] = ()) -> dict[str, int]:
    """Return the model's column of each class by name, once question, encoder and classes were checked. `without`: the
    columns to leave out, as texts.
    """
    if facts.get("question") != expected.question:
        asked = str(facts.get("question"))[:40]
        raise RegisterError(f"The model answers the question {asked!r}, and the project asks {expected.question!r}.")
    encoder = facts.get("encoder")
    name, digest = (str(encoder.get(key)) if isinstance(encoder, dict) else "" for key in ("name", "digest"))
    if (name, digest) != (expected.encoder.name, expected.encoder.digest):
        raise RegisterError(
            f"The model takes the features of another encoder, {name[:40]!r} with the digest {digest[:16]!r}. The "
            f"project's encoder is {expected.encoder.name!r} with the digest {expected.encoder.digest[:16]!r}: a model "
            "gets its features, and not the items' content."
        )
    classes = facts.get("classes")
    if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
        raise RegisterError("The manifest has no list `classes` with the names of the model's classes.")
    columns = {each: column for column, each in enumerate(classes) if str(column) not in without}
    if not columns or len(set(classes)) < len(classes):
        raise RegisterError("The manifest's `classes` are empty, or name a class twice.")
    if strange := sorted(set(columns) - set(expected.classes)):
        raise RegisterError(
            f"The model has classes that the project does not have: {_listed(strange)}. Add or rename classes first."
        )
    return columns


def _check_network(facts: Mapping[str, Any], expected: Expected) -> None:
    """Raise `RegisterError` for a network that is not built from numbers alone."""
    network = facts.get("network")
    name = network.get("name") if isinstance(network, dict) else None
    if name in ("mlp", "convnet", "edges", "onnx"):
        return
    if name == "estimator":
        raise RegisterError("A model of scikit-learn is registered as an ONNX graph: its own file can hold any object.")
    # A pretrained network, whose architecture is that of the encoder.
    own = expected.encoder.network(len(facts["classes"]))
    if own is None or json.loads(json.dumps(networks.describe(own))) != network:
        raise RegisterError(f"The network {str(name)[:40]!r} of the manifest is not one that is registered here.")


def _reordered(model: Model, order: list[int]) -> Model:
    """Return the model with its classes in the order of these columns, and its calibration in the network. It changes
    the model's network.
    """
    network: Any = model.network
    if isinstance(network, Graph):
        network.config = replace(network.config, columns=tuple(network.config.columns[column] for column in order))
        return replace(model, n_classes=len(order))
    last = network.mlp if isinstance(network, Edges) else network
    if model.calibration is not None:
        last.calibration.set(*_composed(last.calibration, model.calibration))
    for part in {network, last}:
        part.config = replace(part.config, n_classes=len(order))
    head: Any = last.head
    head.weight, head.bias = (torch.nn.Parameter(each.detach()[order]) for each in (head.weight, head.bias))
    return replace(model, n_classes=len(order), calibration=None)


def _composed(layer: CalibrationLayer, later: Adaptive) -> Adaptive:
    """Return the calibration that does what the layer and the later calibration do one after the other.

    The layer turns the distance `apart` of an item into scale * apart^(1 + power).
    """
    scale, power = layer.scale.item(), layer.power.item()
    return Adaptive(scale ** (1 + later.power) * later.scale, power + later.power + power * later.power)


def _source(form: str, sha256: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a version keeps of its manifest: short texts and numbers."""
    kept = {key: facts.get(key) for key in ("project", "version", "digest", "description")}
    said = {
        key: value for key, value in kept.items() if type(value) is int or (type(value) is str and len(value) <= 300)
    }
    return {"format": form, "sha256": sha256, **said}


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:3])
    return f"{shown} and {len(names) - 3:,} more" if len(names) > 3 else shown
