"""Test a model from another package: installed beside this one and chosen for a project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs/how-to/bring-your-own-model.md"
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "nearest-centroid-for-marginalia"
version = "1.0"

[project.entry-points."marginalia.models"]
nearest-centroid = "nearest_centroid:NearestCentroid"

[tool.setuptools]
py-modules = ["nearest_centroid"]
"""
ROUND_THE_LOOP = """
import json, sys
import django; django.setup()
from django.core.management import call_command
from django.test.utils import get_runner
sys.path[:0] = ["tests", "tests/loop"]
import numpy as np
from models_store import artifact, estimators
from models_store.learning import learn
from models_store.prediction import predict
from models_store.training import Recipe, TrainingSet
assert list(estimators.known()) == ["network", "scikit-learn", "given", "nearest-centroid"]
from labeling.projects.model_settings import check_model, learner_of
check_model({"name": "nearest-centroid", "options": {"power": 2}}, question="single", private=False)
learner, options = learner_of({"name": "nearest-centroid"})
rng = np.random.default_rng(0)
classes = rng.integers(0, 3, 200)
features = (rng.normal(size=(200, 4)) + 4 * np.eye(3, 4)[classes]).astype(np.float32)
trained = learn(TrainingSet(features, classes, "single", 3, (4,)), Recipe(1, learner=learner, options=options))
digest = artifact.save(sys.argv[1], trained, manifest={})
found = next(iter(predict(artifact.load(sys.argv[1], digest=digest), features)))
print("right:", float((found.best == classes).mean()), "margins:", float(found.margins.min()) >= 0)
"""


def code_in(page: Path) -> str:
    """Return the class in the page's code, as a reader would copy it."""
    return page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, target = tmp_path_factory.mktemp("theirs"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "nearest_centroid.py").write_text(code_in(HOW_TO))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True)
    return target


@pytest.mark.long
def test_the_class_of_the_how_to_learns_is_kept_and_read_again(installed: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}",
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
    }
    done = subprocess.run(
        [sys.executable, "-c", ROUND_THE_LOOP, str(tmp_path / "v1")],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    right, margins = done.stdout.split()[1], done.stdout.split()[3]
    assert float(right) > 0.9
    assert margins == "True"


def test_without_the_package_the_model_is_not_known() -> None:
    from models_store import estimators

    with pytest.raises(estimators.EstimatorError, match="No model is called 'nearest-centroid' here; known: network"):
        estimators.named("nearest-centroid")
