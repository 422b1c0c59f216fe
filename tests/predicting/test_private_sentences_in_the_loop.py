"""Test the loop of a private project whose trainings fine-tune a sentence encoder, up to the exported model."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from django.core.management import call_command
from sentence_model import make_tiny
from trained import text_rows, trained_project, write_rows

from labeling.models import PrivateTraining
from labeling.projects.privacy import ledger
from labeling.storage.arrays.files import ProjectFiles
from models_store import artifact, encoders
from models_store.networks import TunedTransformer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_answers_teach_adapters_within_the_budget(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    make_tiny(tmp_path / "weights" / "tiny")
    project = trained_project(
        write_rows(tmp_path / "texts.jsonl", text_rows(n=24)),
        encoder={"name": "sentence-transformers", "options": {"folder": "tiny", "tuned": "yes", "pieces": 16}},
        training={"private_layers": "lora"},
        batch_size=16,
        privacy_epsilon=2.0,
        privacy_delta=1e-5,
        privacy_trainings=1,
    )

    version, entry = project.versions.get(), PrivateTraining.objects.get()
    model = artifact.load(ProjectFiles(project).artifact_at(version.artifact), digest=version.digest)
    assert isinstance(model.network, TunedTransformer)
    assert model.manifest["privacy"]["layers"] == "lora"
    assert model.manifest["privacy"]["phases"] == entry.phases
    spent = ledger.ledger_of(project).spent
    assert spent is not None
    assert 0 < spent <= 2.0

    saved = tmp_path / "encoder.npz"
    call_command("export_model", "p", "--output", str(tmp_path / "p.onnx"), "--encoder", str(saved))
    session = onnxruntime.InferenceSession(tmp_path / "p.onnx", providers=["CPUExecutionProvider"])
    (shares,) = session.run(["probabilities"], {"features": encoders.load(saved).encode(["A text about the sea"])})
    assert shares.sum() == pytest.approx(1, abs=1e-4)
