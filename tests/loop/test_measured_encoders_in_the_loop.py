"""Test that a worker measures encoders on a project's own labels, and stores what an attempt has measured."""

from pathlib import Path

import numpy as np
import pytest
from digits import QUICK, SMALL, annotator, answer_batch, digits_project
from draining import drain
from factories import make_items, make_project

from labeling.models import EncoderComparison, Item, Job, Project
from labeling.projects.encoders import encoder_comparison
from labeling.projects.encoders.encoder_comparison import ComparisonRefused
from labeling.steps import measure_encoders
from labeling.steps.model_inputs import LabeledRows
from models_store.encoders import Vector
from models_store.encoders.options import Option
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)
LARGE = {"name": "pixels", "options": {}}
BROKEN = {"name": "backbone", "options": {"architecture": "torchvision/resnet18", "weights": "torn.pth"}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(Option, "packaged", lambda self: {})  # those with weights would be measured, too
    project = digits_project(tmp_path, n=400, batch_size=150, strategy="uniform")
    drain()
    answer_batch(project, annotator(project))
    drain()
    return project


@pytest.mark.long
def test_encoders_are_measured_on_labels_of_random_batches(
    project: Project, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    (data_dir / "weights").mkdir(exist_ok=True)
    (data_dir / "weights" / "torn.pth").write_bytes(b"torn")
    encoder_comparison.ask(project=project, also=[BROKEN])
    monkeypatch.setattr(measure_encoders, "LEAST_DRAWN", 100)
    drain()
    comparison = EncoderComparison.objects.get()
    small, large, broken = encoder_comparison.results_of(comparison)
    trainable = Item.objects.trainable().count()
    assert (small.choice, large.choice, broken.choice) == (SMALL, LARGE, BROKEN)
    assert comparison.drawn, "the first batch was drawn at random"
    assert small.tested == large.tested == comparison.labels == trainable
    assert comparison.measured_at is not None
    for each in (small, large):
        assert each.accuracy is not None
        assert each.low < each.accuracy < each.high  # type: ignore[operator]
        assert each.accuracy > 0.4, "each model has learned four fifths of the labels"
        # Both are rounded: the estimate to a tenth, which is nothing for so small a pool.
        assert each.pool_seconds >= each.seconds - 0.1
    assert "torn.pth cannot be read as weights" in broken.problem


@pytest.mark.long
def test_an_attempt_keeps_what_another_has_measured(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder_comparison.ask(project=project)
    measured, right = [], measure_encoders._right

    def killed(*args: object) -> object:
        measured.append(args[1])
        if len(measured) == 2:
            raise KeyboardInterrupt
        return right(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(measure_encoders, "_right", killed)
    with pytest.raises(KeyboardInterrupt):
        drain()
    assert len(EncoderComparison.objects.get().results) == 1
    Job.objects.filter(kind=Job.Kind.ENCODERS).update(state=Job.State.WAITING, worker="")
    drain()
    assert len(EncoderComparison.objects.get().results) == 2
    assert len(measured) == 3


def test_refusals_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    private = make_project(privacy_epsilon=5, training={"epochs": 1}, features_generation=1)
    with pytest.raises(ComparisonRefused, match="spends its privacy budget"):
        encoder_comparison.ask(project=private)
    few = make_project("few", features_generation=1, kind="image")
    make_items(few, 10, label=1)
    with pytest.raises(ComparisonRefused, match="at least 50 labels of items that are not control items; there are 10"):
        encoder_comparison.ask(project=few)
    monkeypatch.setattr(encoder_comparison, "FEWEST", 10)
    monkeypatch.setattr(Option, "packaged", lambda self: {})
    with pytest.raises(ComparisonRefused, match="no other encoder for these items"):
        encoder_comparison.ask(project=few)


def test_a_second_request_waits_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(kind="image", encoder=SMALL, features_generation=1)
    make_items(project, 60, label=1)
    first = encoder_comparison.ask(project=project)
    assert encoder_comparison.ask(project=project).job == first.job
    assert Job.objects.filter(kind=Job.Kind.ENCODERS).count() == 1


@pytest.mark.parametrize("question", some(["multi", "verify", "score", "single"]))
def test_every_question_is_measured(question: str) -> None:
    """Vectors tell the class; of several classes, all have to be right."""
    project = make_project(question=question, kind="vector", classes=["1", "2", "3"], training=QUICK)
    rng = np.random.default_rng(0)
    classes = np.arange(120) % 3
    features = (rng.normal(size=(120, 4)) + 6 * np.eye(3, 4)[classes]).astype(np.float32)
    proposed = rng.integers(0, 3, 120)
    targets = {
        "single": classes,
        "score": classes,
        "verify": proposed == classes,
        "multi": np.eye(3, dtype=bool)[classes],
    }[question]
    labeled = LabeledRows(np.arange(120), targets, proposed if question == "verify" else None, "")
    right = measure_encoders._right(project, Vector(4), labeled, features, lambda share: None)
    assert right.shape == (120,)
    assert right.mean() > 0.8
