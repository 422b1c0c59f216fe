"""A model version as a folder: `model.safetensors` and `manifest.json`. Written whole or not at all; no pickle.

The manifest is JSON: how to build the network, which question it answers, the seed and settings of the training, the
hash of each file, whatever the caller adds (classes, lineage), and a digest of all that. The same training saved twice
gives the same digest: nothing in it depends on the clock.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

import models_store
from models_store import networks
from models_store.model import Model
from models_store.questions import QUESTIONS
from models_store.training import Trained

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"


class ArtifactError(ValueError):
    """A folder is no model version, is damaged or was tampered with, or comes from a newer release."""


def save(folder: str | os.PathLike[str], trained: Trained, *, manifest: Mapping[str, Any]) -> str:
    """Write a model version to `folder` and return its digest (sha256, hex).

    `manifest` is what the caller wants kept with it, as JSON: class names, lineage, metrics. A folder that is
    already there, from an attempt that was killed, is replaced. One writer a folder at a time. Raises ValueError for
    a key that is taken or a number that is not finite, TypeError for what JSON cannot hold.
    """
    target = Path(folder)
    weights = safetensors.torch.save(trained.model.network.state_dict())
    document = _manifest(trained, manifest, weights)
    partial = target.with_name(f".{target.name}.partial")
    replaced = target.with_name(f".{target.name}.replaced")
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (partial, replaced):
        if leftover.exists():
            shutil.rmtree(leftover)

    partial.mkdir()
    _write(partial / WEIGHTS, weights)
    _write(partial / MANIFEST, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode())
    _sync_folder(partial)
    if target.exists():
        target.rename(replaced)
    partial.rename(target)
    _sync_folder(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)
    return str(document["digest"])


def load(folder: str | os.PathLike[str], *, digest: str | None = None) -> Model:
    """The model of a folder that `save` wrote, all hashes checked before anything is used.

    Give the `digest` that `save` returned to be certain that it is that very version: what lies in the folder alone
    shows damage, but not a forger who rewrote the hashes too. Raises `ArtifactError`, saying what is wrong.
    """
    source = Path(folder)
    document = _read_manifest(source)
    if digest is not None and document["digest"] != digest:
        raise ArtifactError(f"{source}: not the version that was saved (digest {document['digest']})")
    weights = _read(source / WEIGHTS)
    try:
        entry = document["files"][WEIGHTS]
        if (len(weights), hashlib.sha256(weights).hexdigest()) != (entry["bytes"], entry["sha256"]):
            raise ArtifactError(f"{source / WEIGHTS}: truncated or changed, the content does not match its hash")
        return _model(document, weights)
    except ArtifactError:
        raise
    except (KeyError, TypeError, ValueError, SafetensorError, RuntimeError) as error:
        raise ArtifactError(f"{source}: weights and manifest do not fit together ({error})") from error


def _model(document: dict[str, Any], weights: bytes) -> Model:
    if document["question"] not in QUESTIONS:
        raise ValueError(f"unknown question {document['question']!r}")
    # On "meta" nothing is allocated or drawn at random for weights that are replaced anyway.
    with torch.device("meta"):
        network = networks.build(document["network"])
    network.load_state_dict(safetensors.torch.load(weights), assign=True)
    return Model(
        question=document["question"],
        n_classes=document["n_classes"],
        input_shape=tuple(document["input_shape"]),
        network=network.eval(),
        manifest=document,
    )


def _manifest(trained: Trained, given: Mapping[str, Any], weights: bytes) -> dict[str, Any]:
    """The whole manifest, with its digest."""
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
        },
        "seed": trained.seed,
        "files": {WEIGHTS: {"bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}},
    }
    if trained.privacy is not None:
        own["privacy"] = dict(trained.privacy)
    taken = sorted({*own, "digest"} & {*given})
    if taken:
        raise ValueError(f"the manifest has its own {', '.join(taken)}")
    # Through JSON and back, so that the digest is of what will be read.
    document: dict[str, Any] = json.loads(json.dumps({**own, **given}, allow_nan=False))
    return {**document, "digest": _digest(document)}


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, its format known and its digest checked."""
    raw = _read(folder / MANIFEST)
    try:
        document = json.loads(raw)
        version = document["format_version"]
        stated = document.pop("digest")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{folder / MANIFEST}: not the manifest of a model, or truncated") from error
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ArtifactError(f"{folder}: format {version} is newer than this release reads ({FORMAT_VERSION})")
    if _digest(document) != stated:
        raise ArtifactError(f"{folder / MANIFEST}: the content does not match its digest")
    return {**document, "digest": stated}


def _digest(document: Mapping[str, Any]) -> str:
    """sha256 of the manifest without its digest, keys in order; through the hashes in it, of the files too."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror})") from error


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
