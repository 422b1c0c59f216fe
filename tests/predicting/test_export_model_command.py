"""Test that the output of `export_model` gives the same predictions in another runtime, from raw items on."""

import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from django.core.management import CommandError, call_command
from trained import on_file, text_rows, trained_project, write_rows

from labeling.storage.arrays.files import ProjectFiles
from models_store import encoders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_as_in_the_how_to(tmp_path: Path, capsys: Any) -> None:
    rows = text_rows()
    project = trained_project(write_rows(tmp_path / "texts.jsonl", rows))
    graph, saved = tmp_path / "p.onnx", tmp_path / "encoder.npz"
    call_command("export_model", "p", "--output", str(graph), "--encoder", str(saved))
    assert "Version 1 written to" in capsys.readouterr().out
    encoder, session = encoders.load(saved), onnxruntime.InferenceSession(graph)
    said = session.get_modelmeta().custom_metadata_map
    features = encoder.encode([row["text"] for row in rows])
    p, _ = session.run(None, {"features": features.reshape(-1, *encoder.input_shape)})
    pool = on_file(project)
    for row, found in zip(rows, p, strict=True):
        there = pool[row["id"]]
        assert found.argmax() == there["best"]
        assert found.max() == pytest.approx(there["confidence"], abs=1e-5)
    assert json.loads(said["classes"]) == ["sport", "food"]
    assert (said["project"], said["version"], said["question"]) == ("p", "1", "single")
    assert said["digest"] == project.versions.get().digest
    assert json.loads(said["encoder"])["digest"] == encoder.digest


@pytest.mark.long
def test_a_damaged_version_leaves_no_file(tmp_path: Path) -> None:
    project = trained_project(write_rows(tmp_path / "texts.jsonl", text_rows()))
    next((ProjectFiles(project).root / "models").rglob("*.safetensors")).write_bytes(b"")
    with pytest.raises(CommandError, match="Model version 1 cannot be loaded"):
        call_command("export_model", "p", "--output", str(tmp_path / "p.onnx"))
    assert not (tmp_path / "p.onnx").exists()
