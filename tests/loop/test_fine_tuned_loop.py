"""Test the loop with a fine-tuned network, and a worker without the library."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from digits import annotator, answer_batch, digits_project
from django.conf import settings
from hosts import drain

from labeling.models import Job, ModelVersion
from labeling.storage.arrays.files import ProjectFiles
from models_store import artifact
from models_store.networks import Tuned

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_two_rounds_of_fine_tuning(tmp_path: Path) -> None:
    import timm

    folder = Path(settings.DATA_DIR) / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = timm.create_model("test_resnet").state_dict()
    safetensors.torch.save_file(weights, folder / "small.safetensors")
    project = digits_project(
        tmp_path,
        n=200,
        encoder={
            "name": "fine-tuned",
            "options": {"architecture": "timm/test_resnet", "weights": "small.safetensors", "size": 32},
        },
        training={"max_steps": 10, "min_steps": 10},
    )
    user = annotator(project)
    drain()
    for number in (1, 2):
        assert answer_batch(project, user).number == number
        drain()
    version = ModelVersion.objects.get(number=2)
    model = artifact.load(ProjectFiles(project).artifact_at(version.artifact), digest=version.digest)
    assert isinstance(model.network, Tuned)
    learned = model.network.body.state_dict()
    assert not torch.equal(learned["conv1.0.weight"], weights["conv1.0.weight"])
    assert project.batches.get(number=2).strategy == "cluster-margin"
    assert not Job.objects.exclude(state=Job.State.DONE).exists()
