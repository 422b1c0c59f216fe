"""Test that artifacts load as saved, and that other files give a clear error."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_data import asked, blobs, train_on

from models_store import artifact
from models_store.artifact import ArtifactError
from models_store.config import TrainConfig
from models_store.prediction import predict
from tests.extent import examples

FILES = ["model.safetensors", "README.md", "manifest.json"]
LINEAGE = {"classes": ["kayak", "canoë", "raft", "ship"], "batch": 3, "labels_sha256": "ab" * 32}


@pytest.fixture
def folder(trained_one, tmp_path: Path) -> Path:
    artifact.save(tmp_path / "models" / "v1", trained_one, manifest=LINEAGE)
    return tmp_path / "models" / "v1"


def rewrite(folder: Path, *, sign: bool = False, **changes: Any) -> None:
    """Change the manifest, and with `sign` its digest too, as a forger would."""
    document = {**json.loads((folder / "manifest.json").read_text()), **changes}
    if sign:
        document["digest"] = artifact._digest(document)
    (folder / "manifest.json").write_bytes(artifact._written(document))


def test_a_loaded_model_predicts_the_same_and_loading_draws_no_random_numbers(trained, tmp_path):
    pool = blobs(300, seed=9)
    proposed = asked(pool, trained.model.question).get("proposed")
    artifact.save(tmp_path / "v1", trained, manifest=LINEAGE)
    state = torch.get_rng_state()
    loaded = artifact.load(tmp_path / "v1")
    assert torch.equal(state, torch.get_rng_state())
    (before,), (after,) = (predict(model, pool.features, proposed=proposed) for model in (trained.model, loaded))
    for name in ("embeddings", "margins", "best", "confidence"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (loaded.question, loaded.n_classes, loaded.input_shape) == (trained.model.question, 4, (12,))


def test_the_manifest_says_what_made_the_model_and_what_the_caller_added(trained_one, folder):
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert [path.name for path in folder.parent.iterdir()] == ["v1"]
    manifest = artifact.load(folder).manifest
    assert {key: manifest[key] for key in LINEAGE} == LINEAGE
    assert manifest["format_version"] == 1
    assert manifest["seed"] == trained_one.seed
    assert manifest["network"]["name"] == "mlp"
    assert manifest["training"]["epochs"] == TrainConfig().epochs
    weights = (folder / "model.safetensors").read_bytes()
    assert manifest["files"]["model.safetensors"]["sha256"] == hashlib.sha256(weights).hexdigest()
    assert "canoë" in (folder / "manifest.json").read_text()


def test_the_digest_is_of_the_whole_and_what_killed_attempts_left_is_replaced(trained_one, tmp_path):
    for name in ("a", ".a.partial", ".a.replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{")
    first = artifact.save(tmp_path / "a", trained_one, manifest=LINEAGE)
    assert not list(tmp_path.glob(".a*"))
    assert artifact.save(tmp_path / "b", trained_one, manifest=LINEAGE) == first
    assert artifact.save(tmp_path / "c", trained_one, manifest={**LINEAGE, "batch": 4}) != first
    assert len(first) == 64
    assert artifact.load(tmp_path / "a", digest=first).manifest["digest"] == first


def test_the_same_training_makes_the_same_artifact(tmp_path):
    pool = blobs(40, seed=1)
    config = TrainConfig(min_steps=5, epochs=1)
    digests = [artifact.save(tmp_path / name, train_on(pool, config=config), manifest={}) for name in "ab"]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_cut_grown_or_no_plain_file_is_refused(folder, name):
    path, elsewhere = folder / name, folder.parent / name
    whole = path.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 25).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            artifact.load(folder)
    path.write_bytes(whole + b" ")
    with pytest.raises(ArtifactError, match=name):
        artifact.load(folder)
    path.unlink()
    with pytest.raises(ArtifactError, match=f"{name}: cannot be read"):
        artifact.load(folder)
    elsewhere.write_bytes(whole)
    path.symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match=f"{name}: is no plain file"):
        artifact.load(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArtifactError, match=f"{name}: is no plain file"):
        artifact.load(folder)
    with pytest.raises(ArtifactError, match=r"v9.*cannot be read"):
        artifact.load(folder.parent / "v9")


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte_of_any_file_is_noticed(folder, name, where, change):
    path = folder / name
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[int(where * len(whole))] ^= change
    path.write_bytes(changed)
    try:
        with pytest.raises(ArtifactError, match=re.escape(name)):
            artifact.load(folder)
    finally:
        path.write_bytes(whole)
    artifact.load(folder)


def test_a_forger_who_signs_anew_is_caught_by_the_digest_kept_elsewhere(trained_one, tmp_path):
    digest = artifact.save(tmp_path / "v1", trained_one, manifest=LINEAGE)
    rewrite(tmp_path / "v1", batch=99, sign=True)
    assert artifact.load(tmp_path / "v1").manifest["batch"] == 99
    with pytest.raises(ArtifactError, match="not the version that was saved"):
        artifact.load(tmp_path / "v1", digest=digest)


OTHER = ["[]", "3", "null", "{}", '{"format_version": "1", "digest": ""}', "\x00"]


def test_a_newer_tampered_or_other_manifest_is_refused_before_weights_are_read(folder, monkeypatch):
    monkeypatch.setattr(safetensors.torch, "load", pytest.fail)
    rewrite(folder, batch=99)
    with pytest.raises(ArtifactError, match="does not match its digest"):
        artifact.load(folder)
    rewrite(folder, format_version=2, sign=True)
    with pytest.raises(ArtifactError, match=r"format 2 is newer than this release reads \(1\)"):
        artifact.load(folder)
    for content in OTHER:
        (folder / "manifest.json").write_text(content)
        with pytest.raises(ArtifactError):
            artifact.load(folder)
    (folder / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(ArtifactError, match=r"manifest.json: not the manifest of a model"):
        artifact.load(folder)


def test_weights_are_not_read_before_the_card_is_verified(folder, monkeypatch):
    monkeypatch.setattr(safetensors.torch, "load", pytest.fail)
    (folder / "README.md").write_text("changed")
    with pytest.raises(ArtifactError, match=r"README.md: truncated or changed"):
        artifact.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"question": "guess"},
        {"network": {"name": "transformer", "config": {}}},
        {"network": {"name": "mlp", "config": {"n_inputs": 12}}},
        {"network": {"name": "mlp", "config": {"n_inputs": 12, "n_classes": 5}}},
        {"network": {"name": "mlp", "config": {"n_inputs": -1, "n_classes": 5}}},
        {"network": None},
        {"files": {}},
        {"files": [1]},
        {"files": {"model.safetensors": {"bytes": 10**18, "sha256": "0" * 64}}},
        {"files": {"model.safetensors": {"bytes": -1, "sha256": "0" * 64}}},
        {"files": {"model.safetensors": {"bytes": 1e400, "sha256": "0" * 64}}},
        {"files": {"README.md": {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}}},
        {"n_classes": None, "input_shape": 3},
        {"network": {"name": "mlp", "config": {"n_inputs": 10**30, "n_classes": 10**30}}},
        {"network": {"name": "mlp", "config": {"n_inputs": 12, "n_classes": 4, "hidden": 10**12}}},
    ],
)
def test_a_manifest_that_does_not_fit_the_weights_is_refused(folder, changes):
    rewrite(folder, sign=True, **changes)
    with pytest.raises(ArtifactError):
        artifact.load(folder)


def test_names_that_lead_elsewhere_are_refused(folder):
    files = json.loads((folder / "manifest.json").read_text())["files"]
    for name in ("../v2/model.safetensors", "/etc/passwd", "a/b", "", ".hidden", "x" * 101, "a\n"):
        rewrite(folder, sign=True, files={**files, name: files["model.safetensors"]})
        with pytest.raises(ArtifactError, match="is no name for a file in it"):
            artifact.load(folder)


def test_a_version_of_an_earlier_release_still_loads():
    """The version was saved before model cards existed."""
    digest = "4ee20eebf2ca2a618c4ea3bbe1ef7eb69304970f613aad806d8cdcd356113d99"
    model = artifact.load(Path(__file__).parent / "first_format", digest=digest)
    _, logits = model.network(torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 2.0]]))
    expected = [[0.0353665, -2.3516011], [0.3627705, -2.5049090]]
    np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        *(({key: 1}, ValueError(f"has its own {key}")) for key in ("files", "digest", "seed", "question")),
        ({"metric": float("nan")}, ValueError("")),
        ({"metric": Ellipsis}, TypeError("")),
    ],
    ids=str,
)
def test_what_cannot_be_in_the_manifest_is_refused_before_anything_is_written(trained_one, tmp_path, manifest, error):
    with pytest.raises(type(error), match=str(error)):
        artifact.save(tmp_path / "v1", trained_one, manifest=manifest)
    assert not list(tmp_path.glob("*v1*"))
