"""Audit private training from one run: a lower bound of its ε, to hold against the stated one.

Steinke, Nasr and Jagielski 2023 (2305.08846). A fair coin decides for each of m canaries whether it is among the
records. From the trained model alone, an attacker guesses the coins of those that it seems to know best and least. The
better the guesses, the larger ε must be.

An audit that finds little says something only if it would find mistakes: `FAULTS` are trainings with one each.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from scipy import stats
from scipy.linalg import hadamard
from scipy.optimize import brentq
from torch import Tensor, nn

from benchmarks.privacy import text_audit
from models_store.language.config import PretrainingConfig
from models_store.model import Model
from models_store.networks.calibration import CalibrationLayer
from models_store.privacy import entropy, steps
from models_store.privacy.clipping import clipped_sum
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.training import train_private
from models_store.training import TrainingSet

CONFIDENCE = 0.95
GUESSED = 0.2
"""The share of the canaries that are guessed: half of them as members, half as others. It is fixed beforehand; the best
of several shares would be no bound at this confidence."""
DELTA = 1e-5
N_CLASSES = 10
PARTS = {"answers": "", "lora": "LoRA, ", "all": "all layers, ", "texts": "texts, "}
"""The kinds of audited trainings, with their prefixes in tables: of a small network on answers, of a pretrained one by
LoRA or in all layers, and of a language model on texts.
"""
USUAL = "as in projects"
RARE = "few records a step"
FAULTS: dict[str, Any] = {
    "no noise": lambda: mock.patch.object(entropy, "gaussian", lambda shape, deviation: torch.zeros(tuple(shape))),
    "all records every step": lambda: mock.patch.object(entropy, "poisson_sample", lambda n, rate: np.arange(n)),
    "no clip": lambda: _without_clips(),
}
"""Trainings with a mistake, which state the same ε as the one of RARE. Each value returns a context in which the
training makes it."""


@contextmanager
def _without_clips() -> Iterator[None]:
    heads = mock.patch.object(
        GradSampleModuleFastGradientClipping, "get_clipping_coef", lambda self: torch.ones_like(self.get_norm_sample())
    )
    texts = mock.patch.object(
        steps, "clipped_sum", lambda network, losses_of, max_norm: clipped_sum(network, losses_of, math.inf)
    )
    with heads, texts:
        yield


@dataclass(frozen=True)
class Audit:
    """One audited training. `training`: USUAL with the settings of projects, RARE, or a key of FAULTS. `part`: a key of
    PARTS.
    """

    training: str
    epsilon: float
    canaries: int
    seed: int
    part: str = "answers"

    @property
    def name(self) -> str:
        return PARTS[self.part] + self.training

    @property
    def pretraining(self) -> PretrainingConfig:
        """The settings of a pre-training. All but USUAL take few texts a step, and clip them hard."""
        usual = PretrainingConfig(epsilon=self.epsilon, delta=DELTA)
        if self.training == USUAL:
            return usual
        return replace(usual, steps=200, growth=(1.0,), largest_rate=0.02, clipping_norm=0.01)

    @property
    def config(self) -> PrivacyConfig:
        """The settings. All but USUAL take few records a step, so that ε depends on the sampling, and spend more on
        the scale of the features, which few canaries do not show otherwise.
        """
        usual = PrivacyConfig(epsilon=self.epsilon, delta=DELTA)
        if self.training == USUAL:
            return usual
        return replace(usual, steps=120, growth=(1.0,), largest_rate=0.05, scaling_share=0.5)

    @property
    def fault(self) -> AbstractContextManager[Any]:
        return FAULTS[self.training]() if self.training in FAULTS else nullcontext()


def run(audit: Audit) -> dict[str, Any]:
    """Train on the canaries that the coins chose, guess the coins, and return the line of the result."""
    torch.set_num_threads(1)
    started = time.monotonic()
    rng = np.random.default_rng([audit.seed, 17])
    with audit.fault:
        members, scores, epsilon = _texts(audit, rng) if audit.part == "texts" else _answers(audit, rng)
    guesses = 2 * round(audit.canaries * GUESSED / 2)
    right = right_guesses(scores, members, guesses)
    bound = lower_bound(audit.canaries, guesses, right, DELTA)
    return {
        "training": audit.training,
        "part": audit.part,
        "seed": audit.seed,
        "epsilon": epsilon,
        "delta": DELTA,
        "canaries": audit.canaries,
        "members": int(members.sum()),
        "guesses": guesses,
        "right": right,
        "confidence": CONFIDENCE,
        "lower_bound": bound,
        "refuted": bound > epsilon,
        "seconds": round(time.monotonic() - started, 1),
    }


def _answers(audit: Audit, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """Train on answers; return members, scores and the stated ε."""
    features, classes = canaries(audit.canaries, rng), rng.integers(0, N_CLASSES, audit.canaries)
    members = rng.random(audit.canaries) < 0.5
    records = TrainingSet(features[members], classes[members], "single", N_CLASSES, features.shape[1:])
    fine_tuned = {} if audit.part == "answers" else {"pretrained": Wide(features.shape[1]), "layers": audit.part}
    trained = train_private(records, audit.config, seed=audit.seed, **fine_tuned)
    assert trained.privacy is not None
    return members, known(logits_of(trained.model, features), classes), trained.privacy["epsilon"]


def _texts(audit: Audit, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """Pre-train on texts; return members, scores and the stated ε."""
    members = rng.random(audit.canaries) < 0.5
    return members, *text_audit.known(members, audit.pretraining, audit.seed)


class Wide(nn.Module):
    """A network to fine-tune on canaries, with the interface that `models_store.privacy.tuning` needs."""

    WIDTH = 128

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Linear(dim, self.WIDTH), nn.LayerNorm(self.WIDTH), nn.GELU())
        self.head = nn.Linear(self.WIDTH, N_CLASSES)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.calibration = CalibrationLayer()

    def made_up(self, m: int) -> Tensor:
        return torch.randn(m, self.dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.body(x)
        return embedding, self.calibration(self.head(embedding))


def canaries(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (count, dim) features of canaries, each at a right angle to all others, of ±1.

    So a step on one canary hardly moves the others, and the model's logits tell of each by itself. Their classes are
    drawn at random: only a model that knows a canary by heart can tell its class.
    """
    dim = 2 ** math.ceil(math.log2(max(count, 2)))
    rows = hadamard(dim, dtype=np.float32)[rng.permutation(dim)[:count]]
    flipped: NDArray[np.float32] = rows * rng.choice(np.array([-1, 1], np.float32), dim)
    return flipped


def logits_of(model: Model, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (count, n_classes) logits of canaries."""
    with torch.no_grad():
        return np.asarray(model.network(torch.from_numpy(features))[1].double().numpy())


def known(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (count,) scores: how far the logit of each canary's class is above the logits of its other classes, and
    above those of its class for the other canaries.

    The loss alone says less: it differs more by how frequent a class is among the members.
    """
    above = logits - logits.mean(axis=1, keepdims=True)
    above -= above.mean(axis=0)
    return np.asarray(above[np.arange(len(classes)), classes])


def right_guesses(scores: NDArray[np.float64], members: NDArray[np.bool_], guesses: int) -> int:
    """Return the number of right guesses, if half of the guesses name the canaries of the largest scores as members,
    and half those of the smallest scores as others.
    """
    order, half = np.argsort(scores, kind="stable"), guesses // 2
    return int(members[order[-half:]].sum() + (~members[order[:half]]).sum())


def p_value(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Return the largest probability of at least `right` right guesses under (ε, δ): corollary 5.4 of the paper.

    Parameters
    ----------
    canaries : int
        m, each a member by a fair coin.
    guesses : int
        At most m, of canaries that the attacker chooses.
    right : int
        From 0 to `guesses`.
    epsilon, delta : float
    """
    # at_least[i]: the probability that at least `right` - i guesses are right, if each is so with e^ε / (1 + e^ε).
    fewer = np.arange(right + 1)
    at_least = stats.binom.sf(right - fewer - 1, guesses, 1 / (1 + math.exp(-epsilon)))
    # From i = `right` on, the probability stays 1, and the quotient only falls.
    slack = ((at_least[1:] - at_least[0]) / fewer[1:]).max(initial=0.0)
    return min(1.0, float(at_least[0] + 2 * canaries * delta * slack))


def lower_bound(canaries: int, guesses: int, right: int, delta: float, confidence: float = CONFIDENCE) -> float:
    """Return the ε that a training has at least, at this δ and confidence; 0 if the guesses show none."""

    def excess(epsilon: float) -> float:
        return p_value(canaries, guesses, right, epsilon, delta) - (1 - confidence)

    if excess(0.0) >= 0:
        return 0.0
    high = 1.0
    while excess(high) < 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-6))
