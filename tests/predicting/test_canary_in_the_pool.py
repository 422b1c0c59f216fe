"""Test private encoders: an exported one does not show a secret of the pool, and trainings fine-tune one within the
budget.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from django.core.management import call_command
from sentence_model import make_tiny
from trained import text_rows, trained_project, write_rows

from benchmarks.privacy import canary
from labeling.models import PrivateTraining
from labeling.projects.privacy import ledger
from labeling.storage.arrays.files import ProjectFiles
from models_store import artifact, encoders
from models_store.encoders.private_lm import PrivateLm
from models_store.language.config import PretrainingConfig
from models_store.language.pretraining import pretrain
from models_store.language.texts import Texts
from models_store.language.wordpieces import SPECIAL, WordPieces
from models_store.networks import TunedLanguage, TunedTransformer

DIGITS = list("0123456789")
VOCABULARY = [
    *SPECIAL,
    *"abcdefghijklmnopqrstuvwxyz",
    *DIGITS,
    *(f"##{digit}" for digit in DIGITS),
    "has",
    "the",
    "code",
]


def rows_with_secrets() -> tuple[list[dict[str, Any]], str]:
    """Return texts with a number each, and the number of the first."""
    rng = np.random.default_rng(1)
    rows = text_rows(n=24)
    secrets = [" ".join(rng.choice(DIGITS, canary.DIGITS)) for _ in rows]
    for row, secret in zip(rows, secrets, strict=True):
        row["text"] = f"{row['id']} has the code {secret} {row['text'].split()[0]}"
    return rows, secrets[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.long
def test_the_encoder_that_leaves_the_house_does_not_know_a_number_of_one_text(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    folder = tmp_path / "weights" / "public"
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    rows, secret = rows_with_secrets()
    template = rows[0]["text"].replace(secret, "{}")

    project = trained_project(
        write_rows(tmp_path / "texts.jsonl", rows),
        encoder={"name": "private-lm", "options": {"vocabulary": "public", "tuned": "yes"}},
        training={"private_layers": "lora"},
        batch_size=16,
        privacy_epsilon=1.0,
        privacy_delta=1e-5,
        privacy_trainings=1,
    )

    assert [entry.batch is None for entry in PrivateTraining.objects.order_by("pk")] == [True, False]
    spent = ledger.ledger_of(project).spent
    assert spent is not None
    assert spent <= 1.0
    version = project.versions.get()
    model = artifact.load(ProjectFiles(project).artifact_at(version.artifact), digest=version.digest)
    assert isinstance(model.network, TunedLanguage)
    saved = tmp_path / "encoder.npz"
    call_command("export_model", "p", "--output", str(tmp_path / "p.onnx"), "--encoder", str(saved))
    encoder = encoders.load(saved)
    assert isinstance(encoder, PrivateLm)
    network, cut = encoder._loaded
    shown = canary.exposure(network, cut, template, secret)
    assert shown <= canary.most(0.5, 1e-5, chance=0.001) < 11, "a wrong alarm in a thousand at most"

    assert exposed_without_privacy(encoder, cut, rows, template, secret) > 11, "the check would find a leak"


def exposed_without_privacy(
    encoder: PrivateLm, cut: WordPieces, rows: list[dict[str, Any]], template: str, secret: str
) -> float:
    """Return the exposure of the secret in a network that learned the same texts without clips and noise."""
    texts = Texts(cut([row["text"] for row in rows]))
    config = PretrainingConfig(
        epsilon=math.inf, delta=1e-5, steps=500, growth=(1.0,), largest_rate=1.0, clipping_norm=1e6, learning_rate=3e-3
    )
    open_network = pretrain(texts, encoder.shape, config, config.phases(len(rows)), units=len(rows), seed=0)
    return canary.exposure(open_network, cut, template, secret)


def test_the_bound_of_the_exposure_is_that_of_chance_without_privacy_loss() -> None:
    assert canary.most(0.0, 0.0, chance=2**-5) == 5
    assert canary.most(1.0, 0.0, chance=2**-5) == pytest.approx(5 + math.log2(math.e))
    assert canary.most(1.0, 0.1, chance=0.05) == math.inf


@pytest.mark.django_db(transaction=True)
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
