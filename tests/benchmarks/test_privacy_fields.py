"""Test `python -m benchmarks.privacy --fields`: private classifiers on a sentence encoder, or of all its layers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sentence_model import make_tiny

from benchmarks.privacy import __main__ as command
from benchmarks.privacy import dictionary, fields, report, runs
from models_store.config import TrainConfig
from models_store.encoders import SentenceTransformers


@pytest.mark.long
def test_a_small_run_compares_embeddings_with_fine_tuning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = SentenceTransformers.fit([], folder=make_tiny(tmp_path / "tiny"), tuned="yes", pieces=fields.PIECES)
    monkeypatch.setattr(fields, "encoder", lambda: model)
    names = ["(Bot.) a plant", "(Law) a plea", "no field", "(Mus.) a song"]
    monkeypatch.setattr(dictionary, "entries", lambda: [f"{names[n % 4]} of number {n}" for n in range(240)])
    quick, train = TrainConfig(epochs=1, min_steps=1, calibration_labels=0), runs.train
    monkeypatch.setattr(runs, "train", lambda given, recipe: train(given, replace(recipe, config=quick)))

    asked = ["--fields", "--layers", "all", "--steps", "3", "--epsilon", "8", "--processes", "1", "--json"]
    assert command.main(asked) == 0

    result = json.loads(capsys.readouterr().out)
    rows = result["data"]["fields"]["private"]
    assert [(row["arm"], row["epsilon"]) for row in rows] == [
        ("mega", 8.0), ("usual", 8.0), ("all", 8.0), ("all", None)
    ]  # fmt: skip
    sizes = {line["privacy"]["records"] for line in result["runs"] if line["arm"] in report.ARMS and "privacy" in line}
    assert sizes == {144}
    assert [phase["steps"] for phase in rows[2]["phases"]] == [2, 1, 1, 1], "two sums of the scale, then the steps"
    assert "all layers   no privacy" in report.table(result)


def test_the_small_network_learns_from_embeddings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "X.npy", np.arange(40 * (fields.PIECES + 4), dtype=np.float32).reshape(40, -1))
    np.save(tmp_path / "y.npy", np.arange(40) % 2)
    source = fields.Source(fields.NAME, vectors=tmp_path / "X.npy", labels=tmp_path / "y.npy")
    data = fields.embeddings(runs.load(source, 0))
    assert data.features.shape[1:] == data.test_features.shape[1:] == data.input_shape == (4,)
