"""Test `python -m benchmarks.open_images` with a small turn of the loop for each question, and its distribution of
classes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.open_images import __main__ as open_images
from benchmarks.open_images import made_up
from labeling.models import Annotation, Project
from tests.extent import some

STEPS = [
    "import", "encode", "select (at random)", "answer by SQL", "train", "embed", "cluster", "select", "export as JSONL",
]  # fmt: skip


torch.set_num_threads(1)  # on a busy machine two wait for each other


@pytest.mark.django_db
@pytest.mark.parametrize("question", some(["verify", "multi"]))
def test_each_step_tells_what_it_took(
    question: str, data_dir: Path, tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.OBJECT_STORE = settings.MODEL_STORE = f"counted://{tmp_path}/store"
    size = open_images.measure(data_dir, question=question, items=600, classes=450, batch=60, dim=8)
    steps = {step["step"]: step for step in size["steps"]}
    assert list(steps) == STEPS
    assert all(step["seconds"] > 0 and step["cpu_seconds"] > 0 and step["memory_mb"] > 0 for step in steps.values())
    # Each host reads anew what it needs: the encoder its vectors, the model the features of its labels or all of them.
    vectors = 600 * 8 * 4
    assert vectors <= steps["encode"]["from_store"] < 2 * vectors
    assert steps["embed"]["from_store"] > vectors
    assert steps["embed"]["into_store"] > 600 * 128 * 4
    assert steps["answer by SQL"]["requests"] == steps["export as JSONL"]["requests"] == 0
    project = Project.objects.get()
    assert (project.question, project.versions.count(), Annotation.objects.count()) == (question, 1, 60)

    doubled = {
        **size,
        "items": 1200,
        "steps": [{**step, "cpu_seconds": 2 * step["cpu_seconds"]} for step in size["steps"]],
    }
    powers = open_images.growth([size, doubled])
    assert powers == pytest.approx(dict.fromkeys(STEPS, 1.0))
    size |= {"load_before": 0.0, "load_after": 0.0}
    open_images.tell({"question": question, "dim": 8, "classes": 450, "sizes": [size], "growth": powers})
    assert "select 1.00" in capsys.readouterr().out


def test_frequencies_are_those_of_open_images() -> None:
    counts = made_up.POSITIVES * made_up.shares(19_794)
    assert counts.mean() == pytest.approx(679, abs=1)
    assert (counts >= 100).sum() == pytest.approx(7_186, rel=0.03)
    assert 400_000 < counts.max() < 1_000_000


def test_proposed_classes_are_right_as_often_as_people_said_yes(tmp_path: Path) -> None:
    pool, counts = made_up.make(tmp_path, question="verify", items=5_000, classes=2_000, dim=4)
    assert np.mean([pool.answer_of(place) for place in range(5_000)]) == pytest.approx(made_up.RIGHT, abs=0.03)
    assert counts.sum() == 5_000
    above = made_up.tree(2_000)
    classes = np.arange(2_000)
    others = made_up.siblings(classes, above, np.random.default_rng(0))
    assert (others != classes).all()
    assert (above[others] == above).all()


def test_sets_are_as_large_as_those_of_open_images(tmp_path: Path) -> None:
    pool, _ = made_up.make(tmp_path, question="multi", items=5_000, classes=2_000, dim=4)
    sets = [pool.answer_of(place) for place in range(5_000)]
    assert np.mean([len(each) for each in sets]) == pytest.approx(made_up.SET_SIZE, abs=0.1)
    assert all(each == sorted(set(each)) and each for each in sets)
