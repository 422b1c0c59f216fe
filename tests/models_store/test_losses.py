"""Test the objectives of training: losses by their formulas, weights, the soft error, and sums of parts."""

import numpy as np
import pytest
import torch
from model_data import asked, blobs, train_on

from models_store.config import TrainConfig
from models_store.prediction import predict
from models_store.questions import named
from models_store.questions.base import FOCUS, MOST_WEIGHT
from models_store.training.losses import Objective, certainty, s_avuc, sb_ece
from models_store.training.schedule import Schedule
from tests.extent import some

CPU = torch.device("cpu")
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.3, -2.0]])
CLASSES = torch.tensor([0, 2])
MANY = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
P = torch.softmax(LOGITS, dim=1)
YES = torch.sigmoid(LOGITS)


def value(question, targets, **settings):
    objective = Objective.of(named(question), TrainConfig(**{"secondary": "none", **settings}), targets, 3, CPU)
    return objective(LOGITS, targets, None).objective.item()


@pytest.mark.parametrize(
    ("changes", "of_one", "of_each"),
    [
        ({}, lambda p: -np.log(p), None),
        ({"loss": "focal"}, lambda p: -((1 - p) ** FOCUS) * np.log(p), None),
        ({"loss": "brier"}, None, lambda p, y: ((p - y) ** 2).sum()),
        ({"label_smoothing": 0.3}, None, lambda p, y: -((0.7 * y + 0.1) * np.log(p)).sum()),
    ],
)
def test_losses_of_one_class_are_their_formulas(changes, of_one, of_each):
    p, right = P.double().numpy(), CLASSES.numpy()
    rows = range(len(p))
    expected = [of_one(p[i, right[i]]) if of_one else of_each(p[i], np.eye(3)[right[i]]) for i in rows]
    assert value("single", CLASSES, **changes) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "formula"),
    [
        ({}, lambda p, y: -np.log(np.where(y, p, 1 - p))),
        ({"loss": "focal"}, lambda p, y: -(np.abs(y - p) ** FOCUS) * np.log(np.where(y, p, 1 - p))),
        ({"loss": "brier"}, lambda p, y: (p - y) ** 2 + ((1 - p) - (1 - y)) ** 2),
        ({"label_smoothing": 0.2}, lambda p, y: -(0.8 * y + 0.1) * np.log(p) - (0.9 - 0.8 * y) * np.log(1 - p)),
    ],
)
def test_losses_of_any_number_of_classes_are_those_of_each_yes_or_no(changes, formula):
    expected = formula(YES.double().numpy(), MANY.double().numpy()).mean()
    assert value("multi", MANY, **changes) == pytest.approx(expected, rel=1e-5)


def test_what_is_told_to_people_is_the_plain_cross_entropy():
    config = TrainConfig(loss="focal", secondary="sb-ece", secondary_weight=3.0, class_balance=1.0)
    plain = Objective.of(named("single"), config, CLASSES, 3, CPU)(LOGITS, CLASSES, None).plain
    assert plain.item() == pytest.approx(-torch.log(P[[0, 1], CLASSES]).mean().item(), rel=1e-6)


@pytest.mark.parametrize("name", ["sb-ece", "s-avuc"])
def test_the_soft_error_counts_as_much_as_it_is_said_to(name):
    added = value("single", CLASSES, secondary=name, secondary_weight=2.5) - value("single", CLASSES)
    confidence, entropy, right, n_classes = certainty(named("single"), LOGITS, CLASSES)
    expected = sb_ece(confidence, right) if name == "sb-ece" else s_avuc(entropy, right, n_classes=n_classes)
    assert added == pytest.approx(2.5 * expected.item(), rel=1e-5)


def test_the_soft_error_begins_to_count_in_the_middle_of_a_training():
    config = TrainConfig()
    shares = [Schedule.of(config, 1000).soft(share) for share in (0, 0.3, 0.5, 0.75, 1)]
    assert shares == [0, 0, 0, 0.5, 1]
    objective = Objective.of(named("single"), config, CLASSES, 3, CPU)
    without, half, whole = (objective(LOGITS, CLASSES, None, soft=soft).objective.item() for soft in (0, 0.5, 1))
    assert without == pytest.approx(value("single", CLASSES))
    assert half - without == pytest.approx((whole - without) / 2)


def test_balanced_classes_weigh_the_same_together_and_all_labels_one_on_average():
    targets = torch.tensor([0] * 6 + [1] * 3 + [2])
    weights = Objective.of(named("single"), TrainConfig(class_balance=1.0), targets, 4, CPU).weights
    together = weights[:3] * torch.tensor([6.0, 3.0, 1.0])
    torch.testing.assert_close(together, torch.full((3,), 10 / 3))


def test_one_label_of_a_class_does_not_drown_all_others():
    targets = torch.tensor([0] * 10_000 + [1])
    weights = Objective.of(named("single"), TrainConfig(class_balance=1.0), targets, 2, CPU).weights
    assert weights[1] / weights[0] <= MOST_WEIGHT * 2


@pytest.mark.parametrize(
    ("question", "name", "loss"),
    some(
        [  # each question and each loss with both soft errors
            ("single", "sb-ece", "cross-entropy"),
            ("single", "s-avuc", "focal"),
            ("multi", "sb-ece", "brier"),
            ("multi", "s-avuc", "cross-entropy"),
            ("verify", "sb-ece", "focal"),
            ("verify", "s-avuc", "brier"),
        ],
        3,
    ),
)
def test_each_objective_learns_each_question(question, name, loss):
    """With a much larger weight, a soft-binned error with a focal loss prevents learning for some seeds and
    processors.
    """
    config = TrainConfig(
        loss=loss,
        secondary=name,
        secondary_weight=0.2,
        class_balance=0.5,
        epochs=20,
        min_steps=100,
        calibration_labels=0,
    )
    trained = train_on(blobs(400, seed=1), question=question, config=config)
    pool = blobs(1000, seed=2)
    answers = asked(pool, question, seed=3)
    parts = predict(trained.model, pool.features, proposed=answers.get("proposed"))
    taken = np.concatenate([part.best for part in parts])
    right = answers["targets"][np.arange(1000), taken] if question == "multi" else answers["targets"] == taken
    assert right.mean() > 0.85  # it is 0.97 or more, whatever the seed
