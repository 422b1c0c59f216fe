"""Features and labels -> a trained model: one trainer for every network and question, readable top to bottom."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from models_store import networks, questions
from models_store.config import TrainConfig
from models_store.model import Model, as_input, checked_features
from models_store.networks import Mlp
from models_store.privacy.config import PrivacyConfig

__all__ = ["Check", "TrainConfig", "Trained", "TrainingError", "train"]

SMALLEST_VALIDATION = 100
"""Fewer held-back labels say too little to stop by: then all are trained on, to the end."""
SMALLEST_BATCH = 8
PARTS = 4
"""Few labels are taken in smaller batches than set, so many to a pass: as good, and quicker."""
SHIFT = 2
"""Pixels, of images 32 wide."""
LEARNED = 0.05
"""Share of the loss of mere guessing at which little is left to learn: a quarter of the steps so far is added, in which
the step size falls to nothing. Easy labels are done in a few passes, hard ones get all of them."""
EVALUATION_CHUNK = 1024


class TrainingError(RuntimeError):
    """Training went astray (the loss is no longer a number)."""


@dataclass(frozen=True)
class Check:
    """One look at the held-back labels, with the average of the weights."""

    step: int
    training_loss: float
    validation_loss: float
    validation_errors: float
    """Share of the answers that are wrong."""


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
    privacy: Mapping[str, Any] | None = None
    """How private the training was, as JSON; None if it was not private."""


@dataclass(frozen=True, eq=False)
class _Labels:
    """The labeled items; `features` may be a memory map."""

    question: str
    features: np.ndarray
    targets: Tensor
    proposed: Tensor | None
    input_shape: tuple[int, ...]

    def take(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor | None]:
        index = torch.from_numpy(rows)
        proposed = None if self.proposed is None else self.proposed[index]
        return as_input(self.features, rows, self.input_shape), self.targets[index], proposed


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
    progress: Callable[[float], None] | None = None,
) -> Trained:
    """Train a network from scratch on (n, dim) features of labeled items, n >= 1.

    `targets` for "single": (n,) class indices; "multi": (n, n_classes) bool; "verify": (n,) bool, with `proposed`,
    (n,) class indices. Classes without any label are fine. Items of the control slice must not be among them.
    `progress` is called with the share done, from 0 to 1.

    Same arguments, same machine, same number of threads: the same weights, bit for bit (unless `max_seconds` ends
    it). The global random state is left as it was. Threads are the caller's to set (`torch.set_num_threads`): where
    other processes want the same cores, one is far quicker than several that wait for each other. Raises ValueError
    for arguments that do not fit together, TrainingError if the loss diverges.
    """
    config = config or TrainConfig()
    checked_features(features, input_shape)
    n = len(features)
    if n == 0:
        raise ValueError("nothing to train on: no labeled item")
    answers, pairs = questions.checked_targets(question, targets, proposed, n=n, n_classes=n_classes)
    labels = _Labels(question, features, answers, pairs, input_shape)
    rng = np.random.default_rng(seed)
    training, validation = _split(labels, config.validation_share, rng)

    # Initial weights and dropout draw on torch's global generator: borrow it, and give it back as it was.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = networks.for_shape(input_shape, n_classes)
        if isinstance(network, Mlp):
            network.standardise(features)
        started = time.monotonic()
        steps, checks = _fit(network, labels, training, validation, config, rng, progress or (lambda share: None))
    return Trained(
        model=Model(question, n_classes, tuple(input_shape), network.eval()),
        config=config,
        seed=int(seed),
        steps=steps,
        seconds=time.monotonic() - started,
        training_size=len(training),
        validation_size=len(validation),
        checks=tuple(checks),
    )


def _fit(
    network: nn.Module,
    labels: _Labels,
    training: np.ndarray,
    validation: np.ndarray,
    config: TrainConfig,
    rng: np.random.Generator,
    progress: Callable[[float], None],
) -> tuple[int, list[Check]]:
    """Train in place, ending with the averaged weights of the best check (the last ones if there was none).

    What is checked and kept is a running average of the weights over about a pass (Polyak averaging). While the step
    size is still large the weights themselves jump about, and the best of many checks would be a lucky one. The best
    check is the latest whose share of errors is within one standard error of the smallest. Few held-back labels cannot
    tell more, and what is learned last is what there are fewest labels of. (The loss would not do: it rises with mere
    overconfidence, long before answers get worse.) Where labels are wrong now and then, the errors rise in time.
    """
    size = min(config.batch_size, max(SMALLEST_BATCH, len(training) // PARTS))
    per_pass = math.ceil(len(training) / size)
    steps = min(max(per_pass * config.epochs, config.min_steps), config.max_steps)
    check_every = max(per_pass, steps // 30)
    augment = config.augment and len(labels.input_shape) == 3
    groups = _parameter_groups(network, config.weight_decay)
    optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    average = AveragedModel(network, multi_avg_fn=_average_over(per_pass))
    learned = max(LEARNED * questions.guessing_loss(labels.question, labels.targets), 1e-3)
    started = time.monotonic()
    checks: list[Check] = []
    best: dict[str, Tensor] = {}
    patience = config.patience
    running = 0.0

    for step, rows in enumerate(_batches(training, size, rng), start=1):
        network.train()
        inputs, targets, proposed = labels.take(rows)
        if augment:
            inputs = _shifted(inputs, rng)
        share = _share_done(step - 1, steps, started, config.max_seconds)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(share, config.warmup_share)
        optimiser.zero_grad()
        loss = questions.loss(labels.question, network(inputs)[1], targets, proposed)
        loss.backward()
        optimiser.step()
        average.update_parameters(network)

        running += (loss.item() - running) / min(step, check_every)
        if not math.isfinite(running):
            raise TrainingError(f"the loss is not finite at step {step}: try a smaller learning rate")
        if running < learned:
            steps = min(steps, max(step + step // 4, config.min_steps))
        share = _share_done(step, steps, started, config.max_seconds)
        progress(share)
        if len(validation) and (step % check_every == 0 or share >= 1):
            check = Check(step, running, *_evaluate(average.module, labels, validation))
            checks.append(check)
            fewest = min(check.validation_errors for check in checks)
            if check.validation_errors <= fewest + math.sqrt(fewest * (1 - fewest) / len(validation)):
                best = {name: tensor.clone() for name, tensor in average.module.state_dict().items()}
                patience = config.patience
            else:
                patience -= 1
        if share >= 1 or patience == 0:
            break

    network.load_state_dict(best or average.module.state_dict())
    progress(1.0)
    return step, checks


def _split(labels: _Labels, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held back, at random, except that every class keeps a row to train on."""
    order = rng.permutation(len(labels.features))
    wanted = int(len(order) * share)
    if wanted < SMALLEST_VALIDATION:
        return order, order[:0]
    may_go = np.ones(len(order), dtype=bool)
    if labels.question != "multi":
        groups = labels.targets.long()
        if labels.proposed is not None:
            groups = 2 * labels.proposed + groups
        _, firsts = np.unique(groups.numpy()[order], return_index=True)
        may_go[firsts] = False
    held_back = np.flatnonzero(may_go)[:wanted]
    return np.delete(order, held_back), order[held_back]


def _batches(rows: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches without end, in a new order at each pass."""
    while True:
        order = rng.permutation(rows)
        for start in range(0, len(order), size):
            yield order[start : start + size]


def _shifted(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Each image moved by up to SHIFT pixels either way, its edges repeated. No mirroring: digits and letters read
    one way only.
    """
    m, _, height, width = images.shape
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    down, right = rng.integers(0, 2 * SHIFT + 1, size=(2, m))
    return torch.from_numpy(views[np.arange(m), :, down, right])


def _share_done(step: int, steps: int, started: float, max_seconds: float | None) -> float:
    """Of the steps or of the time, whichever ends first: so the step size has fallen to nothing at either end."""
    by_time = 0.0 if max_seconds is None else (time.monotonic() - started) / max_seconds
    return min(1.0, max(step / steps, by_time))


def _schedule(share: float, warmup: float) -> float:
    """Factor on the learning rate: linear up to 1, then half a cosine down to 0."""
    if share < warmup:
        return (share + 0.01) / (warmup + 0.01)
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight matrices are decayed; biases and norms are not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _average_over(steps: int) -> Callable[[Any, Any, Any], None]:
    """Exponential, over about so many steps; over all that there are at first, so that the initial weights fade."""

    @torch.no_grad()
    def update(averages: list[Tensor], weights: list[Tensor], averaged: Tensor | int) -> None:
        torch._foreach_lerp_(averages, weights, max(1 / max(steps, 1), 9 / (int(averaged) + 9)))

    return update


@torch.no_grad()
def _evaluate(network: nn.Module, labels: _Labels, rows: np.ndarray) -> tuple[float, float]:
    """Mean loss and share of errors over the rows, in chunks."""
    network.eval()
    loss = errors = 0.0
    for start in range(0, len(rows), EVALUATION_CHUNK):
        chunk = rows[start : start + EVALUATION_CHUNK]
        inputs, targets, proposed = labels.take(chunk)
        logits = network(inputs)[1]
        loss += questions.loss(labels.question, logits, targets, proposed).item() * len(chunk)
        errors += questions.errors(labels.question, logits, targets, proposed).item() * len(chunk)
    return loss / len(rows), errors / len(rows)
