"""Features and labels -> a trained model: one trainer for every network and question, readable top to bottom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from models_store import networks, questions
from models_store.config import TrainConfig
from models_store.device import best_device
from models_store.model import Model, checked_features
from models_store.networks import Mlp
from models_store.privacy.config import PrivacyConfig
from models_store.training.labels import Labels, split
from models_store.training.run import Check, Progress, Run, logits_of
from models_store.training.temperature import Adaptive, fit_adaptive, fit_temperature

SHRINK, FRESH = 0.5, 0.5
"""Of the last version's weights and of new ones, what a warm start begins with. Weights as they were learn the labels
that came since worse than new ones do: Ash and Adams 2020, "On Warm-Starting Neural Network Training"."""
MOST_FITTED = 2**24
"""Logits that a temperature is fitted to: of as many held-back items as that makes."""
CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and how it came about."""

    model: Model
    config: TrainConfig | PrivacyConfig
    seed: int
    steps: int
    seconds: float
    training_size: int
    validation_size: int
    checks: tuple[Check, ...]
    """Empty where too few labels could be held back."""
    calibration: Adaptive | None = None
    """What its `networks.Calibration` multiplies logits by; None if nothing was fitted."""
    privacy: Mapping[str, Any] | None = None
    """How private the training was, as JSON; None if it was not private."""

    @property
    def temperature(self) -> float | None:
        """By which all logits are divided; None if none was fitted, or one that differs from item to item."""
        return 1 / self.calibration.scale if self.calibration and not self.calibration.power else None


def train(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    question: str,
    n_classes: int,
    input_shape: tuple[int, ...],
    config: TrainConfig | None = None,
    seed: int,
    proposed: np.ndarray | None = None,
    start: Model | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train a network on (n, dim) features of labeled items, n >= 1.

    `targets` for "single": (n,) class indices; "multi": (n, n_classes) bool; "verify": (n,) bool, with `proposed`,
    (n,) class indices. Classes without any label are fine. Items of the control slice must not be among them.
    `start`: the model that a warm start begins with, if `config` wants one; classes may have been added since.
    `checkpoint`: a file that is written every `checkpoint_seconds`; the same call goes on from it after whatever ended
    the process. It stays: remove it when the model is safe.

    Same arguments, same machine, same number of threads: the same weights, bit for bit, also if it was cut short and
    taken up (unless `max_seconds` ends it). The global random state is left as it was. Threads are the caller's to set
    (`torch.set_num_threads`): where other processes want the same cores, one is far quicker than several that wait for
    each other. Trains on a GPU if there is one. Raises ValueError for arguments that do not fit together, TrainingError
    if the loss diverges.
    """
    config = config or TrainConfig()
    checked_features(features, input_shape)
    n = len(features)
    if n == 0:
        raise ValueError("nothing to train on: no labeled item")
    answers, pairs = questions.checked_targets(question, targets, proposed, n=n, n_classes=n_classes)
    labels = Labels(question, features, answers, pairs, tuple(input_shape))
    training, validation = split(labels, config.validation_share, np.random.default_rng(seed))
    device = best_device()

    # Initial weights and dropout draw on torch's global generators: borrow them, and give them back as they were.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = networks.for_shape(labels.input_shape, n_classes)
        if isinstance(network, Mlp):
            network.standardise(features)
        if start is not None and config.warm_start:
            warm(network, start.network)
        run = Run(network.to(device), labels, n_classes, training, validation, config, seed, device)
        if checkpoint is not None:
            run.keep_in(checkpoint, checkpoint_seconds)
        run.fit(progress or (lambda at: None))
    calibration = _calibrate(run) if config.temperature != "none" and len(validation) else None
    return Trained(
        model=Model(question, n_classes, labels.input_shape, network.cpu().eval()),
        config=config,
        seed=int(seed),
        steps=run.state.step,
        seconds=run.seconds(),
        training_size=len(training),
        validation_size=len(validation),
        checks=tuple(run.state.checks),
        calibration=calibration,
    )


def warm(network: nn.Module, earlier: nn.Module) -> None:
    """Mix an earlier network's weights into a new one's, in place, as far as they have the same shape. Classes that
    came since keep their new rows; the standardisation becomes the earlier one's, which its weights expect.
    """
    found = earlier.state_dict()
    buffers = {name for name, _ in network.named_buffers()}
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            old = found.get(name)
            if old is None or tensor.ndim == 0 or old.shape[1:] != tensor.shape[1:] or len(old) > len(tensor):
                continue
            place = tensor[: len(old)]
            place.copy_(old if name in buffers else SHRINK * old + FRESH * place)


def _calibrate(run: Run) -> Adaptive:
    """Fit a temperature to the held-back labels, put it behind the last layer, and return it."""
    labels = run.labels
    rows = run.validation[: max(1, MOST_FITTED // run.n_classes)]
    parts = [
        (questions.of_answers(labels.question, logits, proposed), targets)
        for logits, targets, proposed in logits_of(run.network, labels, rows, run.n_classes, run.device)
    ]
    logits, targets = (torch.cat(each) for each in zip(*parts, strict=True))
    by = run.config.temperature
    if by == "adaptive" and labels.question == "single":
        found = fit_adaptive(logits, targets)
    else:
        plain = "likelihood" if by == "adaptive" else by
        found = Adaptive(1 / fit_temperature(labels.question, logits, targets, by=plain), 0.0)
    cast(networks.Calibration, run.network.calibration).set(*found)
    return found
