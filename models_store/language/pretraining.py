"""Pre-train a language model with DP-SGD: large growing batches of units, AdamW, weight decay (Anil et al. 2021,
2108.01624).

The code reads texts only through sums that the accountant counts: no early stop, no vocabulary of the pool, and no loss
is reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models_store.language.clipping import check_layers, clipped_sum
from models_store.language.config import LanguageConfig, PretrainingConfig
from models_store.language.network import LanguageModel, load_weights, weights_of
from models_store.language.texts import Texts, hide
from models_store.language.wordpieces import PAD
from models_store.privacy import entropy
from models_store.privacy.accounting import Phase
from models_store.training import Stopped, TrainingError, checkpoints

WARM_UP = 0.05
CHECKPOINT_SECONDS = 60


def pretrain(
    texts: Texts,
    shape: LanguageConfig,
    config: PretrainingConfig,
    phases: Sequence[Phase],
    *,
    units: int,
    seed: int,
    checkpoint: tuple[Path, str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> LanguageModel:
    """Train a language model that hides whether any one unit was among the texts.

    No two trainings are alike: noise, the drawn units, windows and hidden pieces come from the operating system.

    Parameters
    ----------
    texts : Texts
    shape : LanguageConfig
    config : PretrainingConfig
        `phases` tell sampling and noise; the rest is read here.
    phases : sequence of Phase
        As of `PretrainingConfig.phases`.
    units : int
        The public number of units. With the sampling rate it gives the expected batch, which divides each sum: the
        size of the drawn batch, or today's number of units, would change with a single unit.
    seed : int
        Of the initial weights alone.
    checkpoint : (Path, str), optional
        File to continue from and to write to, and the training's name: files of others are ignored. The steps since
        the last checkpoint are lost with their noise, and nothing of them was seen, so a continued training costs what
        one without interruption costs.
    progress : callable, optional
        Called with the share done after each step. `Stopped`, raised by it, saves a checkpoint and ends the training.

    Raises
    ------
    TrainingError
        If the weights are no longer finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = LanguageModel(shape)
    check_layers(network)
    optimiser = _optimiser(network, config)
    done = _restore(network, optimiser, checkpoint)
    rng = np.random.default_rng()
    steps = [phase for phase in phases for _ in range(phase.steps)]
    saved = time.monotonic()
    for step, phase in enumerate(steps[done:], start=done + 1):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, len(steps))
        _add_up(network, texts, entropy.poisson_sample(len(texts), phase.sampling_rate), config, rng)
        for weights in network.parameters():
            assert weights.grad is not None
            weights.grad += entropy.gaussian(weights.shape, phase.noise_multiplier * config.clipping_norm)
            weights.grad /= units * phase.sampling_rate
        optimiser.step()
        is_last = step == len(steps)  # whoever stores the weights may still be killed
        if checkpoint and (is_last or time.monotonic() - saved > CHECKPOINT_SECONDS):
            _save(network, optimiser, checkpoint, step)
            saved = time.monotonic()
        try:
            if progress:
                progress(step / len(steps))
        except Stopped:
            if checkpoint:
                _save(network, optimiser, checkpoint, step)
            raise
    if not all(bool(each.isfinite().all()) for each in network.parameters()):
        raise TrainingError("the weights are not finite: try a smaller learning rate")
    return network.eval()


def _add_up(
    network: LanguageModel, texts: Texts, units: np.ndarray, config: PretrainingConfig, rng: np.random.Generator
) -> None:
    """Put the sum of the clipped gradients of these units into `grad`, chunk by chunk; zeros without a unit."""
    for weights in network.parameters():
        weights.grad = torch.zeros_like(weights)
    for start in range(0, len(units), config.chunk):
        windows = texts.draw(units[start : start + config.chunk], network.config.window, rng)
        longest = int((windows != PAD).sum(axis=1).max())
        guesses = hide(windows, network.config.pieces, rng).cut(longest)
        sums, _ = clipped_sum(network, partial(network.losses, guesses), config.clipping_norm)
        for part, gradient in sums.items():
            assert part.grad is not None
            part.grad += gradient


def _optimiser(network: nn.Module, config: PretrainingConfig) -> torch.optim.AdamW:
    matrices = [each for each in network.parameters() if each.ndim > 1]
    others = [each for each in network.parameters() if each.ndim == 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    # A rescaled gradient leaves Adam's steps as they are, if its epsilon is far below any gradient.
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), eps=1e-12)


def _schedule(step: int, steps: int) -> float:
    """Return the learning rate of a step, from 1 to `steps`, as a share of the largest."""
    warm = max(1, round(WARM_UP * steps))
    return step / warm if step <= warm else (steps - step + 1) / (steps - warm + 1)


def _restore(network: LanguageModel, optimiser: torch.optim.Optimizer, checkpoint: tuple[Path, str] | None) -> int:
    """Load the checkpoint, if it belongs to this training; return the number of steps done."""
    found = checkpoints.read(*checkpoint) if checkpoint else None
    if found is None:
        return 0
    tensors, state = found
    load_weights(network, checkpoints.of_prefix("network", tensors))
    checkpoints.restore_optimiser(optimiser, tensors)
    return int(state["step"])


def _save(network: LanguageModel, optimiser: torch.optim.Optimizer, checkpoint: tuple[Path, str], step: int) -> None:
    path, name = checkpoint
    weights = {f"network.{key}": value for key, value in weights_of(network).items()}
    tensors = {**weights, **checkpoints.optimiser_tensors(optimiser)}
    checkpoints.write(path, tensors, {"fingerprint": name, "step": step})
