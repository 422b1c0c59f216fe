"""Test the loop of projects whose trainings fine-tune the encoder's network, also within a privacy budget."""

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from digits import annotator, answer_batch, digits_project
from django.conf import settings as data_settings

from labeling.models import Batch, Job, PrivateTraining, Project
from labeling.projects.privacy import ledger
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles
from models_store import artifact
from models_store.networks import Tuned

pytestmark = pytest.mark.django_db(transaction=True)

BUDGET = {"privacy_epsilon": 8.0, "privacy_delta": 1e-4, "privacy_trainings": 2}


def labeled_once(folder: Path, architecture: str, size: int, **settings: Any) -> Project:
    """Return a project whose first batch is labeled, and the training on it has ended."""
    weights = Path(data_settings.DATA_DIR) / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = timm.create_model(architecture).state_dict()
    safetensors.torch.save_file(state, weights / f"{architecture}.safetensors")
    options = {"architecture": f"timm/{architecture}", "weights": f"{architecture}.safetensors", "size": size}
    settings = {"training": {"private_layers": "lora"}, **(settings or BUDGET)}
    project = digits_project(
        folder, n=60, batch_size=10, encoder={"name": "fine-tuned", "options": options}, **settings
    )
    worker = Worker(run_step, drain=True)
    worker.run()
    answer_batch(project, annotator(project))
    worker.run()
    return project


@pytest.mark.long
def test_a_network_learns_end_to_end_and_picks_the_next_batch(tmp_path: Path) -> None:
    project = labeled_once(tmp_path, "test_resnet", 32, training={"max_steps": 10, "min_steps": 10})
    version = project.versions.get()
    model = artifact.load(ProjectFiles(project).artifact_at(version.artifact), digest=version.digest)
    assert isinstance(model.network, Tuned)
    before = safetensors.torch.load_file(Path(data_settings.DATA_DIR) / "weights" / "test_resnet.safetensors")
    assert not torch.equal(model.network.body.state_dict()["conv1.0.weight"], before["conv1.0.weight"])
    assert project.batches.get(number=2).strategy == "cluster-margin"
    assert not Job.objects.exclude(state=Job.State.DONE).exists()


@pytest.mark.long
def test_a_vision_transformer_learns_within_the_budget(tmp_path: Path) -> None:
    project = labeled_once(tmp_path, "test_vit", 160)
    version = project.versions.get()
    entry = PrivateTraining.objects.get()
    model = artifact.load(ProjectFiles(project).artifact_at(version.artifact), digest=version.digest)
    assert isinstance(model.network, Tuned)
    assert model.manifest["privacy"]["phases"] == entry.phases
    assert model.manifest["privacy"]["layers"] == "lora"
    spent = ledger.ledger_of(project).spent
    assert spent is not None
    assert spent < 8


def test_a_network_with_batch_norm_is_refused_before_it_costs_anything(tmp_path: Path) -> None:
    project = labeled_once(tmp_path, "test_resnet", 32)
    stopped = project.batches.get(number=1)
    assert stopped.state == Batch.State.FAILED
    assert stopped.reason.startswith(
        "The encoder’s network cannot be trained within a privacy budget: BatchNorm2d (body.conv1.1) mixes records"
    )
    assert not PrivateTraining.objects.exists()
