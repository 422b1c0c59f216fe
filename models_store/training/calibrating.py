"""Calibrate a trained network on labels that it did not learn.

Few held-back labels do not suffice: the accuracy on 500 labels is known to one or two points, and confidence no better.
So if few labels are held back, further trainings by the same recipe hold back others (cross-fitting: Stone 1974,
"Cross-Validatory Choice and Assessment of Statistical Predictions"; for calibration Platt 1999, "Probabilistic Outputs
for Support Vector Machines", section 2.2). Their networks are discarded. Their answers on held-back labels stand for
the model's answers on new items.

A temperature is fitted that divides the logits: Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv
1706.04599), section 4.2, by likelihood; Karandikar et al. 2021 (arXiv 2108.00106), section 6, by a soft calibration
error. It changes the confidence of answers, not the answers.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn import functional as F

from models_store import questions
from models_store.config import TrainConfig
from models_store.networks.calibration import Adaptive, apart
from models_store.questions import Question
from models_store.training.losses import certainty, s_avuc, sb_ece
from models_store.training.run import logits_of
from models_store.training.training_set import TrainingSet, can_be_held_back

FEWEST = 100
"""The fewest labels for which further trainings tell more than the prior."""
ENOUGH = 0.75
"""The share of `calibration_labels` that is enough: the rest is not worth another training."""
MOST_TRAININGS = 4
LARGEST_PART = 0.2
"""The largest share of labels that a further training holds back: with far fewer labels to learn from, it would be less
accurate than the model that it stands for."""
LEAST_REPRESENTATIVE = 200
"""From so many labels drawn at random on, calibration uses these alone. Picked labels are hard, and harder still for a
further training that has learned fewer of them."""
MOST_FITTED = 2**24
"""The most logits that are kept for fitting; it bounds the number of labels."""
LOWEST, HIGHEST = 0.05, 20.0
LIKELY = 0.5
"""Standard deviation of the prior on the logarithm of temperatures. Without a prior, a hundred right answers would make
a model boundlessly sure; a thousand answers outweigh it."""
STEPS = 61
"""Steps of the search over the whole range, even in the logarithm: only the likelihood has a single optimum."""
REFINED = 30
"""Steps of the golden-section search around the best place: further ones do not change the result."""
MOST_POWER = 3.0
GOLDEN = (math.sqrt(5) - 1) / 2

OBJECTIVES = ("likelihood", "sb-ece", "s-avuc")


class LabeledLogits(NamedTuple):
    """A network's answers, and the labels, which it did not learn; as `losses.certainty` takes them."""

    logits: Tensor
    targets: Tensor


def asked_about(representative: np.ndarray | None, n: int) -> np.ndarray:
    """Return (n,) bool: the labels that may calibrate: the representative ones if there are enough, otherwise all."""
    if representative is None or representative.sum() < LEAST_REPRESENTATIVE:
        return np.ones(n, dtype=bool)
    return representative


def further_parts(
    training_set: TrainingSet, held_back: np.ndarray, asked: np.ndarray, config: TrainConfig, rng: np.random.Generator
) -> list[np.ndarray]:
    """Choose the rows that each further training holds back.

    Parameters
    ----------
    training_set : TrainingSet
        n labels.
    held_back : ndarray of shape (k,), int64
        Rows that the training itself holds back.
    asked : ndarray of shape (n,), bool
        Labels that may calibrate.

    Returns
    -------
    list of ndarray
        Disjoint rows, none of them in `held_back`. Empty if enough labels are held back, if nothing is fitted, or if
        `max_seconds` ends trainings, which would make each of them too short.
    """
    n = len(training_set)
    target, there = min(config.calibration_labels, int(asked.sum())), int(asked[held_back].sum())
    if there >= ENOUGH * target or n < FEWEST or config.temperature == "none" or config.max_seconds is not None:
        return []
    missing, largest = target - there, n * LARGEST_PART
    trainings = min(MOST_TRAININGS, int(np.ceil(missing / largest)))
    size = int(min(missing / trainings, largest))
    order = rng.permutation(n)
    free = order[can_be_held_back(training_set, order) & asked[order] & ~np.isin(order, held_back)]
    parts = [free[start : start + size] for start in range(0, trainings * size, size)]
    return [part for part in parts if len(part)]


def labeled_logits(
    network: nn.Module, training_set: TrainingSet, rows: np.ndarray, device: torch.device
) -> LabeledLogits:
    """Return the network's answers for the rows, or for as many of the first rows as fit into memory."""
    rows = rows[: max(1, MOST_FITTED // (MOST_TRAININGS + 1) // training_set.n_classes)]
    parts = [
        (training_set.asks.of_answers(logits, proposed), targets)
        for logits, targets, proposed in logits_of(network, training_set, rows, device)
    ]
    return LabeledLogits(*(torch.cat(each) for each in zip(*parts, strict=True)))


def fit(question: Question, answers: Iterable[LabeledLogits], *, by: str) -> Adaptive:
    """Fit a calibration to all answers. `by`: as `TrainConfig.temperature`."""
    logits, targets = (torch.cat(each) for each in zip(*answers, strict=True))
    if by == "adaptive" and question.adaptive:
        return fit_adaptive(logits, targets)
    plain = "likelihood" if by == "adaptive" else by
    return Adaptive(1 / fit_temperature(question, logits, targets, by=plain), 0.0)


def fit_adaptive(logits: Tensor, targets: Tensor) -> Adaptive:
    """Fit a temperature that depends on how far an item's best class stands out, by likelihood.

    With one temperature for all items, many networks are overconfident on unclear items and underconfident on clear
    ones. Scale (at the median item) and power have the prior LIKELY. Deterministic; takes about two hundred passes over
    the logits.

    Parameters
    ----------
    logits : Tensor of shape (m, K)
        For the question "single", m >= 1, of items that the network did not learn.
    targets : Tensor of shape (m,), int64
    """
    logits = logits.double()
    distance = apart(logits)
    usual = float(distance.median())
    relative = distance / usual

    @torch.no_grad()
    def cost(place: np.ndarray) -> float:
        scaled = logits * math.exp(place[0]) * relative ** float(place[1])
        unlikely = float(place @ place) / LIKELY**2 / 2 / len(targets)
        return float(F.cross_entropy(scaled, targets)) + unlikely

    start = -math.log(fit_temperature(questions.named("single"), logits, targets, by="likelihood"))
    best = minimize(cost, np.array([start, 0.0]), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-8}).x
    power = float(np.clip(best[1], -MOST_POWER, MOST_POWER))
    return Adaptive(math.exp(float(best[0])) / usual**power, power)


def fit_temperature(question: Question, logits: Tensor, targets: Tensor, *, by: str) -> float:
    """Fit one temperature for all items, from LOWEST to HIGHEST, with the prior LIKELY.

    Deterministic. Takes about a hundred passes over the logits, and as much memory as they take.

    Parameters
    ----------
    question : Question
    logits, targets : Tensor
        As for `losses.certainty`, of items that the network did not learn.
    by : str
        One of OBJECTIVES.

    Raises
    ------
    ValueError
        If the objective is unknown, or if there is no answer.

    Examples
    --------
    >>> logits = torch.tensor([[0.0, 4.0]] * 10)
    >>> round(fit_temperature(questions.named("single"), logits, torch.tensor([1] * 8 + [0] * 2), by="likelihood"), 2)
    1.79
    """
    if by not in OBJECTIVES:
        raise ValueError(f"unknown objective {by!r} of a temperature; known: {', '.join(OBJECTIVES)}")
    if not len(targets):
        raise ValueError("a temperature needs at least one answer to be fitted to")
    objective = _objective(question, logits, targets, by)

    def at(log_temperature: float) -> float:
        # Minus the logarithm of a normal density, divided by the number of answers as the objective is.
        unlikely = (log_temperature / LIKELY) ** 2 / 2 / targets.numel()
        return objective(math.exp(log_temperature)) + unlikely

    low, high = math.log(LOWEST), math.log(HIGHEST)
    step = (high - low) / (STEPS - 1)
    places = [low + number * step for number in range(STEPS)]
    values = [at(place) for place in places]
    best = min(range(STEPS), key=lambda number: (values[number], abs(places[number])))
    refined = _refined(at, max(low, places[best] - step), min(high, places[best] + step))
    return math.exp(refined if at(refined) < values[best] else places[best])


def _objective(question: Question, logits: Tensor, targets: Tensor, by: str) -> Callable[[float], float]:
    @torch.no_grad()
    def likelihood(temperature: float) -> float:
        return float(question.losses(logits / temperature, question.as_learned(targets)).cross_entropy.mean())

    @torch.no_grad()
    def soft(temperature: float) -> float:
        confidence, entropy, right, n_classes = certainty(question, logits / temperature, targets)
        if by == "sb-ece":
            return float(sb_ece(confidence, right))
        return float(s_avuc(entropy, right, n_classes=n_classes))

    return likelihood if by == "likelihood" else soft


def _refined(at: Callable[[float], float], low: float, high: float) -> float:
    """Return the minimum between two places, by golden-section search."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = at(left), at(right)
    for _ in range(REFINED):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = at(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = at(right)
    return (low + high) / 2
