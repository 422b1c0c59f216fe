"""Test that a score's models are measured by their distance in points, and by their share of exact answers."""

import numpy as np
import pytest
from factories import make_project

from labeling.steps.measure import ControlResults, control_figures, control_results
from labeling.steps.model_inputs import LabeledRows
from labeling.web.models.version_words import absolute_error
from models_store.config import TrainConfig
from models_store.model import Model
from models_store.prediction import predict
from models_store.training import Recipe, TrainingSet, train

pytestmark = pytest.mark.django_db
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(300, 4)).astype(np.float32)
LABELS = np.clip(np.round(FEATURES[:, 0] + 2 + RNG.normal(0, 0.5, 300)), 0, 4).astype(np.int64)
CONTROL = LabeledRows(np.arange(100), LABELS[:100], None, "")
QUICK = TrainConfig(epochs=3, min_steps=20, temperature="none")


@pytest.fixture(scope="module")
def model() -> Model:
    return train(TrainingSet(FEATURES[100:], LABELS[100:], "score", 5, (4,)), Recipe(1, QUICK)).model


def test_the_error_is_the_mean_of_the_points_between_answer_and_label(model: Model) -> None:
    project = make_project(question="score", classes=["1", "2", "3", "4", "5"])
    control = control_figures(control_results(project, model, FEATURES, CONTROL))
    best = np.concatenate([part.best for part in predict(model, FEATURES[:100])])
    assert control["mae"]["value"] == pytest.approx(np.abs(best - LABELS[:100]).mean())
    assert control["mae"]["low"] < control["mae"]["value"] < control["mae"]["high"]
    assert control["accuracy"] == pytest.approx((best == LABELS[:100]).mean())


def test_classes_without_an_order_have_none(model: Model) -> None:
    assert "mae" not in control_figures(
        control_results(make_project(classes=["a", "b", "c", "d", "e"]), model, FEATURES, CONTROL)
    )


def test_it_is_said_in_points() -> None:
    one, two = (control_figures(ControlResults(np.ones(n, bool), None, np.ones(n), np.arange(n))) for n in (1, 2))
    assert absolute_error(one) == "0.00 points"
    assert absolute_error(two).startswith("0.50 points, with 95 % certainty ")
    assert absolute_error({"n": 0}) == absolute_error(None) == ""
