"""A model version as a folder: weights, a model card, a manifest. Written whole or not at all; no pickle.

`manifest.json` says how to build the network, which question it answers, the seed and settings of the training, how
private that was, the hash of each file, whatever the caller adds (classes, lineage, metrics), and a digest of all that.
`README.md` says it to people, and `model.safetensors` holds the weights. The same training saved twice gives the same
digest: nothing in it depends on the clock. A folder is a path, or a URL of any store that fsspec knows.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

import models_store
from models_store import networks, questions
from models_store.card import model_card
from models_store.folders import Folder, FolderError, folder_at
from models_store.model import Model
from models_store.training import Trained

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
MOST_MANIFEST_BYTES = 1 << 26
"""A manifest of 20,000 classes with the longest names has a quarter of that."""
# What broken or forged descriptions of a network end in, in the libraries that are given them.
MISFITS = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, SafetensorError)


class ArtifactError(ValueError):
    """A folder is no model version, is damaged or was tampered with, or comes from a newer release."""


def save(folder: str | os.PathLike[str], trained: Trained, *, manifest: Mapping[str, Any]) -> str:
    """Write a model version to `folder` and return its digest (sha256, hex).

    `manifest` is what the caller wants kept with it, as JSON: class names, lineage, metrics. A folder that is
    already there, from an attempt that was killed, is replaced. One writer a folder at a time. Raises ValueError for
    a key that is taken or a number that is not finite, TypeError for what JSON cannot hold, `FolderError` where it
    cannot be written.
    """
    document = _described(trained, manifest)
    files = {
        WEIGHTS: safetensors.torch.save(trained.model.network.state_dict()),
        CARD: model_card(document).encode(),
    }
    document["files"] = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    document["digest"] = _digest(document)
    folder_at(folder).replace({**files, MANIFEST: _written(document)}, seal=MANIFEST)
    return str(document["digest"])


def load(folder: str | os.PathLike[str], *, digest: str | None = None) -> Model:
    """The model of a folder that `save` wrote, every byte of it checked before anything is used.

    Give the `digest` that `save` returned to be certain that it is that very version: what lies in the folder alone
    shows damage, but not a forger who rewrote the hashes too. Raises `ArtifactError`, naming the file at fault.
    """
    try:
        source = folder_at(folder)
        document = _read_manifest(source)
        if digest is not None and document["digest"] != digest:
            raise ArtifactError(f"{source}/{MANIFEST}: not the version that was saved (digest {document['digest']})")
        weights = _verified(source, document)
    except FolderError as error:
        raise ArtifactError(str(error)) from error
    try:
        return _model(document, weights)
    except MISFITS as error:
        raise ArtifactError(f"{source}: weights and manifest do not fit together ({error})") from error


def _verified(source: Folder, document: Mapping[str, Any]) -> bytes:
    """The weights, once all files that the manifest names are as it says. What else lies there is not looked at."""
    weights = None
    for name, (size, sha256) in _stated(source, document).items():
        content = source.read(name, most=size)
        if (len(content), hashlib.sha256(content).hexdigest()) != (size, sha256):
            raise ArtifactError(f"{source}/{name}: truncated or changed, the content does not match its hash")
        if name == WEIGHTS:
            weights = content
    if weights is None:
        raise ArtifactError(f"{source}/{MANIFEST}: names no {WEIGHTS}")
    return weights


def _stated(source: Folder, document: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """For each file that the manifest names, its size in bytes and its hash."""
    try:
        found = {name: (entry["bytes"], entry["sha256"]) for name, entry in document["files"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{source}/{MANIFEST}: does not say which files belong to the version") from error
    for name, (size, _) in found.items():
        if name == MANIFEST or type(size) is not int or size < 0:
            raise ArtifactError(f"{source}/{MANIFEST}: {name[:100]!r} with {size!r} bytes is no file of a version")
    return found


def _model(document: dict[str, Any], weights: bytes) -> Model:
    questions.named(document["question"])
    network = networks.skeleton(document["network"])
    network.load_state_dict(safetensors.torch.load(weights), assign=True)
    return Model(
        question=document["question"],
        n_classes=document["n_classes"],
        input_shape=tuple(document["input_shape"]),
        network=network.eval(),
        manifest=document,
    )


def _described(trained: Trained, given: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest, but for the files and the digest."""
    model = trained.model
    own = {
        "format_version": FORMAT_VERSION,
        "versions": {"marginalia": models_store.__version__, "torch": torch.__version__},
        "question": model.question,
        "n_classes": model.n_classes,
        "input_shape": list(model.input_shape),
        "network": networks.describe(model.network),
        "training": {
            **asdict(trained.config),
            "steps": trained.steps,
            "training_size": trained.training_size,
            "validation_size": trained.validation_size,
            "calibration_size": trained.calibration_size,
        },
        "temperature": trained.calibration and trained.calibration._asdict(),
        "seed": trained.seed,
        "privacy": {"private": trained.privacy is not None, **(trained.privacy or {})},
    }
    taken = sorted({*own, "files", "digest"} & {*given})
    if taken:
        raise ValueError(f"the manifest has its own {', '.join(taken)}")
    # Through JSON and back, so that the digest is of what will be read.
    document: dict[str, Any] = json.loads(json.dumps({**own, **given}, allow_nan=False))
    return document


def _read_manifest(source: Folder) -> dict[str, Any]:
    """The manifest, its format known, its digest checked, and no byte of it other than it was written."""
    raw = source.read(MANIFEST, most=MOST_MANIFEST_BYTES)
    try:
        document = json.loads(raw)
        version, stated = document["format_version"], document["digest"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{source}/{MANIFEST}: not the manifest of a model, or truncated") from error
    if type(version) is not int or version < 1:
        raise ArtifactError(f"{source}/{MANIFEST}: format {version!r} is none that there has been")
    if version > FORMAT_VERSION:
        raise ArtifactError(
            f"{source}/{MANIFEST}: format {version} is newer than this release reads ({FORMAT_VERSION}): upgrade first"
        )
    if _digest(document) != stated or _written(document) != raw:
        raise ArtifactError(f"{source}/{MANIFEST}: the content does not match its digest")
    return {**document}


def _digest(document: Mapping[str, Any]) -> str:
    """sha256 of the manifest without its digest, keys in order; through the hashes in it, of the files too."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode()
