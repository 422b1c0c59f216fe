"""Test soft labels: the probability of each class is learned instead of the most probable class."""

import numpy as np
import pytest
import torch
from model_data import blobs, labeled, train_on
from scipy.sparse import csr_array

from models_store.config import TrainConfig
from models_store.estimators import EstimatorError, named
from models_store.learning import learn
from models_store.prediction import predict
from models_store.questions import named as question
from models_store.training import Recipe
from models_store.training.losses import Objective

QUICK = TrainConfig(calibration_labels=0, epochs=10, min_steps=80, temperature="none", secondary="none")
SOFT = TrainConfig(**{**vars(QUICK), "soft_labels": True})
POOL = blobs(150, seed=3)


def halves() -> csr_array:
    """Return probabilities of 0.6 for the class and 0.4 for the next one."""
    rows = np.arange(len(POOL.classes))
    table = np.zeros((len(rows), POOL.n_classes))
    table[rows, POOL.classes], table[rows, (POOL.classes + 1) % POOL.n_classes] = 0.6, 0.4
    return csr_array(table)


def confidence(model) -> float:
    return float(np.concatenate([part.confidence for part in predict(model, POOL.features)]).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_with_what_is_probable(smoothing: float):
    logits, targets = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.3, -2.0]]), torch.tensor([0, 2])
    probable = torch.tensor([[0.7, 0.3, 0.0], [0.1, 0.1, 0.8]])
    config = TrainConfig(secondary="none", label_smoothing=smoothing)
    ours = Objective.of(question("single"), config, targets, 3, torch.device("cpu"))(logits, targets, None, probable)
    p = torch.softmax(logits, dim=1).double().numpy()
    wanted = (1 - smoothing) * probable.double().numpy() + smoothing / 3
    assert ours.objective.item() == pytest.approx(-(wanted * np.log(p)).sum(axis=1).mean(), rel=1e-5)


def test_a_network_is_as_sure_as_its_labels_and_without_the_setting_learns_as_ever():
    plain, ignored = train_on(POOL, config=QUICK), train_on(POOL, config=QUICK, soft=halves())
    same = zip(plain.model.network.parameters(), ignored.model.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)
    soft = train_on(POOL, config=SOFT, soft=halves())
    assert confidence(plain.model) > 0.8 > confidence(soft.model)
    with pytest.raises(ValueError, match=r"soft labels have the shape \(149, 4\), expected \(150, 4\)"):
        train_on(POOL, config=SOFT, soft=halves()[:-1])


@pytest.mark.long
def test_scikit_learn_learns_them_as_weights_or_says_that_it_cannot():
    def fit(classifier: str, config: TrainConfig):
        options = {"classifier": classifier, "parameters": "{}"}
        return learn(labeled(POOL, soft=halves()), Recipe(1, config, named("scikit-learn"), options))

    hard, soft = fit("LogisticRegression", QUICK), fit("LogisticRegression", SOFT)
    assert confidence(hard.model) > 0.8 > confidence(soft.model)
    assert (hard.config.soft_labels, soft.config.soft_labels) == (False, True)
    with pytest.raises(EstimatorError, match="KNeighborsClassifier takes no weights"):
        fit("KNeighborsClassifier", SOFT)
