"""One run: ask by a rule, batch by batch, and train after each batch, until the budget of answers is spent."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.efficiency.datasets import Data, Source
from benchmarks.efficiency.loop import accuracy, seed_for
from benchmarks.quality.crowds import CROWDS, Crowd
from benchmarks.quality.rules import Labels, Rule, ask, people_for, resolve
from labeling.labels.resolving.posterior import ACCURACY, ModelVote
from models_store.config import TrainConfig
from models_store.estimators import Learner, NetworkLearner, ScikitLearn
from models_store.learning import learn
from models_store.prediction import predict
from models_store.training import Recipe, TrainingSet

CHECK_SHARE = 0.05
MODELS: dict[str, tuple[type[Learner], dict[str, Any]]] = {
    "network": (NetworkLearner, {}),
    "logistic": (ScikitLearn, {"classifier": "LogisticRegression", "parameters": '{"max_iter": 500}'}),
}
FIGURES = ("answers", "cost", "error", "undecided", "accuracy", "ece")


@dataclass(frozen=True)
class Work:
    """One crowd on one data set with one seed, asked by one rule."""

    source: Source
    crowd: str
    name: str
    rule: Rule
    seed: int
    batch: int
    budget: int
    model: str = "network"


def run(work: Work) -> dict[str, float]:
    """Ask until the budget is spent, in one thread."""
    import torch

    torch.set_num_threads(1)
    data = work.source.load(work.seed)
    crowd = Crowd(CROWDS[work.crowd], data.labels, data.n_classes, work.seed)
    items = np.random.default_rng([work.seed, 13]).permutation(len(data.labels))
    checked = np.random.default_rng([work.seed, 17]).random(len(items)) < CHECK_SHARE
    asked: dict[int, list[int]] = {}
    words: dict[int, ModelVote] = {}
    known = np.full(len(crowd.answers), ACCURACY)
    model, spent = None, 0
    for number, start in enumerate(range(0, len(items), work.batch)):
        batch = items[start : start + work.batch]
        if model is not None:
            for item, best, sure in zip(batch.tolist(), *_predicted(model, data.features[batch]), strict=True):
                words[item] = ModelVote(best, sure)
        for item in batch.tolist():
            if spent >= work.budget:
                break
            people = people_for(work.rule, crowd, item, known, asked, data.n_classes)
            asked[item] = ask(
                work.rule, crowd.answers[:, item], people, known, words.get(item), data.n_classes,
                check=bool(checked[item]),
            )  # fmt: skip
            spent += len(asked[item])
        labels = resolve(work.rule, crowd, asked, words, data.n_classes)
        known = labels.accuracy
        last = spent >= work.budget or start + work.batch >= len(items)
        if last or work.rule.heeds_model or work.rule.confidence is not None:
            model = _train(work, data, asked, labels, number)
        if last:
            break
    assert model is not None
    return _figures(model, data, asked, labels.of_item)


def _train(work: Work, data: Data, asked: dict[int, list[int]], labels: Labels, number: int) -> Any:
    rows = np.array([item for item in asked if item in labels.of_item])
    learner, options = MODELS[work.model]
    targets = np.array([labels.of_item[item] for item in rows.tolist()])
    training_set = TrainingSet(
        data.features[rows], targets, "single", data.n_classes, data.input_shape, soft=labels.probable
    )
    config = TrainConfig(soft_labels=labels.probable is not None)
    return learn(training_set, Recipe(seed_for(work.seed, "train", number), config, learner, options)).model


def _figures(model: Any, data: Data, asked: dict[int, list[int]], labels: dict[int, int]) -> dict[str, float]:
    wrong = sum(label != data.labels[item] for item, label in labels.items())
    answers = sum(map(len, asked.values())) / len(asked)
    return {
        "answers": answers,
        "cost": answers / 3,
        "error": wrong / len(labels),
        "undecided": 1 - len(labels) / len(asked),
        "accuracy": accuracy(model, data),
        "ece": _ece(model, data),
        "items": len(asked),
    }


def _predicted(model: Any, features: np.ndarray) -> tuple[list[int], list[float]]:
    parts = list(predict(model, features))
    best, sure = (np.concatenate([getattr(part, name) for part in parts]).tolist() for name in ("best", "confidence"))
    return best, sure


def _ece(model: Any, data: Data) -> float:
    """Return the expected calibration error on test items, over ten bins of equal mass."""
    best, sure = (np.array(each) for each in _predicted(model, data.test_features))
    parts = np.array_split(np.argsort(sure), 10)
    gaps = [len(part) * abs(sure[part].mean() - (best[part] == data.test_labels[part]).mean()) for part in parts]
    return float(sum(gaps) / len(sure))
