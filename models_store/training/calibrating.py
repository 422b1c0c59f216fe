"""How sure a trained network may be: what is known of labels that it did not learn, and what is fitted to them.

A few held-back labels tell it badly: of 500, the share of right answers is known to one or two points, and so no better
is how sure the network may be. So where few are held back, further trainings by the same recipe each hold back others
(cross-fitting: Stone 1974, "Cross-Validatory Choice and Assessment of Statistical Predictions"; for calibration Platt
1999, "Probabilistic Outputs for Support Vector Machines", section 2.2). Their networks are thrown away; what they make
of labels that they did not learn stands for what the model makes of items that it did not learn.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from models_store import networks
from models_store.config import TrainConfig
from models_store.training.labels import Labels, may_go
from models_store.training.run import Run, logits_of
from models_store.training.temperature import Adaptive, fit_adaptive, fit_temperature

FEWEST = 100
"""Labels in all, of which further trainings would tell little more than what is believed beforehand."""
ENOUGH = 0.75
"""Of the labels that are wanted: the rest is not worth another training."""
MOST_TRAININGS = 4
LARGEST_PART = 0.2
"""Of the labels, held back by one further training: with many fewer to learn from it would be right more seldom than
the model that it stands for."""
LEAST_REPRESENTATIVE = 200
"""Labels drawn at random, of which a model is told better how sure it may be than of any number of picked ones: those
are hard, and a model of hard labels without some of them more so."""
MOST_FITTED = 2**24
"""Logits that are kept to be fitted to: of as many labels as that makes."""


class Answers(NamedTuple):
    """What a network says of labels that it did not learn; as `soft_calibration.answers` takes them."""

    logits: Tensor
    targets: Tensor


def asked_about(representative: np.ndarray | None, n: int) -> np.ndarray:
    """(n,) bool: labels that may tell how sure the model may be. All, unless enough of them are representative. Raises
    ValueError for another shape.
    """
    if representative is not None and representative.shape != (n,):
        raise ValueError(f"`representative` has the shape {representative.shape}, expected {(n,)}")
    if representative is None or representative.sum() < LEAST_REPRESENTATIVE:
        return np.ones(n, dtype=bool)
    return representative


def further_parts(
    labels: Labels, held_back: np.ndarray, asked: np.ndarray, config: TrainConfig, rng: np.random.Generator
) -> list[np.ndarray]:
    """Rows that each further training holds back: disjoint, of those `asked` (n,) about, and apart from those
    `held_back` by the training itself. None where enough are held back, where nothing is to be fitted, and where the
    clock ends trainings: they would be as short each, and all together as long again.
    """
    n = len(labels.features)
    wanted, there = min(config.calibration_labels, int(asked.sum())), int(asked[held_back].sum())
    if there >= ENOUGH * wanted or n < FEWEST or config.temperature == "none" or config.max_seconds is not None:
        return []
    missing, largest = wanted - there, n * LARGEST_PART
    trainings = min(MOST_TRAININGS, int(np.ceil(missing / largest)))
    size = int(min(missing / trainings, largest))
    order = rng.permutation(n)
    free = order[may_go(labels, order) & asked[order] & ~np.isin(order, held_back)]
    parts = [free[start : start + size] for start in range(0, trainings * size, size)]
    return [part for part in parts if len(part)]


def answers_of(run: Run, rows: np.ndarray) -> Answers:
    """What the run's network says of the rows, as long as there is memory for it."""
    rows = rows[: max(1, MOST_FITTED // (MOST_TRAININGS + 1) // run.n_classes)]
    parts = [
        (run.labels.question.of_answers(logits, proposed), targets)
        for logits, targets, proposed in logits_of(run.network, run.labels, rows, run.n_classes, run.device)
    ]
    return Answers(*(torch.cat(each) for each in zip(*parts, strict=True)))


def calibrate(run: Run, answers: Iterable[Answers]) -> Adaptive:
    """Fit a temperature to all answers, put it behind the last layer of the run's network, and return it."""
    logits, targets = (torch.cat(each) for each in zip(*answers, strict=True))
    by = run.config.temperature
    if by == "adaptive" and run.labels.question.adaptive:
        found = fit_adaptive(logits, targets)
    else:
        plain = "likelihood" if by == "adaptive" else by
        found = Adaptive(1 / fit_temperature(run.labels.question, logits, targets, by=plain), 0.0)
    cast(networks.Calibration, run.network.calibration).set(*found)
    return found
