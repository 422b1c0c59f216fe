"""A model version as a folder: weights, a model card, a manifest. Written whole or not at all; no pickle.

`manifest.json` holds the description of the network, the question, the seed and settings of the training, its privacy,
the hash of each file, facts from the caller (classes, lineage, metrics), and a digest of all that. `README.md` is the
model card, and `model.safetensors` holds the weights. The same training saved twice gives the same digest: nothing in
it depends on the clock. A folder is a path, or a URL of a store that fsspec supports.

If a version is calibrated later, the manifest says so, and `calibration.json` is added beside it: it names the version
by its digest, and has a digest of its own. The other files stay unchanged."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

import models_store
from models_store import networks, questions
from models_store.card import model_card
from models_store.folders import Folder, FolderError, folder_at
from models_store.model import Model
from models_store.networks import Adaptive
from models_store.training import Trained

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
CALIBRATION = "calibration.json"
MOST_CALIBRATION_BYTES = 1 << 20
MOST_MANIFEST_BYTES = 1 << 26
"""A manifest of 20,000 classes with the longest names has a quarter of that."""
# The exceptions of libraries for broken or forged descriptions of a network.
MISFITS = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, SafetensorError)


class ArtifactError(ValueError):
    """A folder is no model version, is damaged or forged, or comes from a newer release."""


def save(folder: str | os.PathLike[str], trained: Trained, *, manifest: Mapping[str, Any]) -> str:
    """Write a model version to `folder`; return its digest (SHA-256, hex).

    Only one process may write a folder at a time. An existing folder, from a killed attempt, is replaced.

    Parameters
    ----------
    folder : path or URL
    trained : Trained
    manifest : mapping
        Facts to keep with the version, as JSON: class names, lineage, metrics.

    Raises
    ------
    ValueError
        If a key is taken or a number is not finite.
    TypeError
        If JSON cannot hold a value.
    FolderError
        If the folder cannot be written.
    """
    return _save(folder, trained.model, _document(trained.model, _of_training(trained), manifest))


def save_registered(folder: str | os.PathLike[str], model: Model, *, manifest: Mapping[str, Any]) -> str:
    """Write a model that was not trained here, as `save`. `manifest` also says where it comes from: `source`."""
    return _save(folder, model, _document(model, {}, manifest))


def _save(folder: str | os.PathLike[str], model: Model, document: dict[str, Any]) -> str:
    files = {
        WEIGHTS: safetensors.torch.save(model.network.state_dict()),
        CARD: model_card(document).encode(),
    }
    document["files"] = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    document["digest"] = _digest(document)
    folder_at(folder).replace({**files, MANIFEST: _written(document)}, seal=MANIFEST)
    return str(document["digest"])


def calibrate(
    folder: str | os.PathLike[str], calibration: Adaptive, *, digest: str, fitted_to: int, measured: Mapping[str, Any]
) -> str:
    """Write a calibration beside a saved version; return its own digest (SHA-256, hex). An earlier one is replaced.

    Parameters
    ----------
    folder : path or URL
    calibration : Adaptive
    digest : str
        The digest of the version.
    fitted_to : int
        The number of labels that it was fitted to.
    measured : mapping
        Metrics with this calibration, as JSON.

    Raises
    ------
    ValueError, TypeError, FolderError
        As `save`.
    """
    document = {
        "format_version": FORMAT_VERSION,
        "version": digest,
        **calibration._asdict(),
        "fitted_to": fitted_to,
        "measured": measured,
    }
    document = json.loads(json.dumps(document, allow_nan=False))
    document["digest"] = _digest(document)
    folder_at(folder).add(CALIBRATION, _written(document))
    return str(document["digest"])


def load(folder: str | os.PathLike[str], *, digest: str | None = None, calibration: str | None = None) -> Model:
    """Load a model from a folder of `save`. Every byte is checked before anything is used.

    Parameters
    ----------
    folder : path or URL
    digest : str, optional
        The result of `save`. Without it, damage is detected, but not a forger who replaced the hashes, too.
    calibration : str, optional
        The result of `calibrate`; "" for the model without a later calibration; None for the calibration in the folder,
        if any.

    Raises
    ------
    ArtifactError
        If a file is missing, damaged or forged. The message names the file.
    """
    try:
        source = folder_at(folder)
        document, weights, fitted = _read_verified(source, digest, calibration)
    except FolderError as error:
        raise ArtifactError(str(error)) from error
    try:
        return replace(_model(document, weights), calibration=fitted)
    except MISFITS as error:
        raise ArtifactError(f"{source}: weights and manifest do not fit together ({error})") from error


def check_files(folder: str | os.PathLike[str], *, digest: str, calibration: str) -> None:
    """Check every byte of a folder as `load` does, without building the model. Raises `ArtifactError`."""
    try:
        source = folder_at(folder)
        _read_verified(source, digest, calibration)
    except FolderError as error:
        raise ArtifactError(str(error)) from error


def describe(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the manifest, after a check of its digest. Raises `ArtifactError`."""
    try:
        return _read_manifest(folder_at(folder))
    except FolderError as error:
        raise ArtifactError(str(error)) from error


def encoder_digest(folder: str | os.PathLike[str]) -> str:
    """Return the digest of a version's encoder, from the manifest; "" if it is missing there. Raises
    `ArtifactError`.
    """
    encoder = describe(folder).get("encoder")
    return str(encoder.get("digest", "")) if isinstance(encoder, dict) else ""


def rebuild_card(folder: str | os.PathLike[str], *, digest: str) -> bool:
    """Rewrite the model card from the manifest. False if it would differ from the saved card.

    Raises `ArtifactError` if the manifest is damaged, and as `save`.
    """
    try:
        source = folder_at(folder)
        document = _read_manifest(source)
    except FolderError as error:
        raise ArtifactError(str(error)) from error
    stated = _stated(source, document).get(CARD)
    described = {key: value for key, value in document.items() if key not in ("files", "digest")}
    content = model_card(described).encode()
    if document["digest"] != digest or stated != (len(content), hashlib.sha256(content).hexdigest()):
        return False
    source.add(CARD, content)
    return True


def _read_verified(
    source: Folder, digest: str | None, calibration: str | None
) -> tuple[dict[str, Any], bytes, Adaptive | None]:
    """Return manifest, weights and calibration, as `load` asks for them."""
    document = _read_manifest(source)
    if digest is not None and document["digest"] != digest:
        raise ArtifactError(f"{source}/{MANIFEST}: not the version that was saved (digest {document['digest']})")
    weights = _verified(source, document)
    return document, weights, _read_calibration(source, document, calibration)


def _verified(source: Folder, document: Mapping[str, Any]) -> bytes:
    """Return the weights, after a check of all files in the manifest. Other files are ignored."""
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
    """Return the size in bytes and the hash of each file in the manifest."""
    try:
        files = {name: (entry["bytes"], entry["sha256"]) for name, entry in document["files"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{source}/{MANIFEST}: does not say which files belong to the version") from error
    for name, (size, _) in files.items():
        if name == MANIFEST or type(size) is not int or size < 0:
            raise ArtifactError(f"{source}/{MANIFEST}: {name[:100]!r} with {size!r} bytes is no file of a version")
    return files


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


def _of_training(trained: Trained) -> dict[str, Any]:
    """Return the part of the manifest about the training."""
    return {
        "training": {
            **asdict(trained.config),
            "steps": trained.steps,
            "processes": list(trained.processes),
            "training_size": trained.training_size,
            "validation_size": trained.validation_size,
            "calibration_size": trained.calibration_size,
            **({"pool": trained.pool} if trained.pool else {}),
        },
        "temperature": trained.calibration and trained.calibration._asdict(),
        **({"calibrated_later": CALIBRATION} if trained.later else {}),
        "seed": trained.seed,
        "privacy": {"private": trained.privacy is not None, **(trained.privacy or {})},
    }


def _document(model: Model, training: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest without files and digest."""
    own = {
        "format_version": FORMAT_VERSION,
        "versions": {"marginalia": models_store.__version__, "torch": torch.__version__},
        "question": model.question,
        "n_classes": model.n_classes,
        "input_shape": list(model.input_shape),
        "network": networks.describe(model.network),
        **training,
    }
    taken = sorted({*own, "files", "digest"} & {*facts})
    if taken:
        raise ValueError(f"the manifest has its own {', '.join(taken)}")
    # Through JSON and back, so that the digest covers the content as it will be read.
    document: dict[str, Any] = json.loads(json.dumps({**own, **facts}, allow_nan=False))
    return document


def _read_manifest(source: Folder) -> dict[str, Any]:
    return read_sealed(source, MANIFEST, most=MOST_MANIFEST_BYTES)


def _read_calibration(source: Folder, manifest: Mapping[str, Any], digest: str | None) -> Adaptive | None:
    """Return the version's calibration, as for `load`."""
    if digest == "" or (digest is None and "calibrated_later" not in manifest):
        return None
    try:
        document = read_sealed(source, CALIBRATION, most=MOST_CALIBRATION_BYTES)
    except FolderError as error:
        if digest is None and isinstance(error.__cause__, FileNotFoundError):
            return None  # not yet, or never
        raise
    if document.get("version") != manifest["digest"] or (digest is not None and document["digest"] != digest):
        raise ArtifactError(f"{source}/{CALIBRATION}: is not this version's (digest {document['digest']})")
    try:
        return Adaptive(float(document["scale"]), float(document["power"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{source}/{CALIBRATION}: does not say how sure the version may be") from error


def read_sealed(source: Folder, name: str, *, most: int) -> dict[str, Any]:
    """Return a document that matches its own digest. Raises `ArtifactError` if it does not, or if its format is
    unknown, and `FolderError` if it cannot be read.
    """
    problem = "not the manifest of a model" if name == MANIFEST else "not a calibration"
    raw = source.read(name, most=most)
    try:
        document = json.loads(raw)
        version, stated = document["format_version"], document["digest"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{source}/{name}: {problem}, or truncated") from error
    if type(version) is not int or version < 1:
        raise ArtifactError(f"{source}/{name}: format {version!r} is none that there has been")
    if version > FORMAT_VERSION:
        raise ArtifactError(
            f"{source}/{name}: format {version} is newer than this release reads ({FORMAT_VERSION}): upgrade first"
        )
    if _digest(document) != stated or _written(document) != raw:
        raise ArtifactError(f"{source}/{name}: the content does not match its digest")
    return {**document}


def _digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the manifest without its digest, keys in order. Through the hashes in it, it covers the
    files.
    """
    content = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode()
