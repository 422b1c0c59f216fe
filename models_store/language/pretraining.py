"""Pre-train a language model with DP-SGD: large growing batches of units, AdamW, weight decay (Anil et al. 2021,
2108.01624).

The code reads texts only through sums that the accountant counts: no early stop, no vocabulary of the pool, and no loss
is reported.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models_store.language.config import LanguageConfig, PretrainingConfig
from models_store.language.network import LanguageModel, load_weights, weights_of
from models_store.language.texts import Texts, hide_pieces
from models_store.language.wordpieces import PAD
from models_store.privacy import entropy
from models_store.privacy.accounting import Phase
from models_store.privacy.clipping import check_layers
from models_store.privacy.steps import add_noise, add_up, optimiser_of, set_rate
from models_store.training import Stopped, TrainingError, checkpoints

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
    optimiser = optimiser_of(network, config.learning_rate, config.weight_decay)
    done = _restore(network, optimiser, checkpoint)
    rng = np.random.default_rng()
    steps = [phase for phase in phases for _ in range(phase.steps)]
    saved = time.monotonic()
    for step, phase in enumerate(steps[done:], start=done + 1):
        set_rate(optimiser, config.learning_rate, step, len(steps))
        drawn = entropy.poisson_sample(len(texts), phase.sampling_rate)
        add_up(network, _chunks(network, texts, drawn, config, rng), config.clipping_norm)
        add_noise(network, phase.noise_multiplier * config.clipping_norm, units * phase.sampling_rate)
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


def _chunks(
    network: LanguageModel, texts: Texts, units: np.ndarray, config: PretrainingConfig, rng: np.random.Generator
) -> Iterator[Callable[[], Tensor]]:
    """Yield the losses of the units' windows, chunk by chunk."""
    for start in range(0, len(units), config.chunk):
        windows = texts.draw(units[start : start + config.chunk], network.config.window, rng)
        longest = int((windows != PAD).sum(axis=1).max())
        yield partial(network.losses, hide_pieces(windows, network.config.pieces, rng).cut(longest))


def _restore(network: LanguageModel, optimiser: torch.optim.Optimizer, checkpoint: tuple[Path, str] | None) -> int:
    """Load the checkpoint, if it belongs to this training; return the number of steps done."""
    found = checkpoints.read_checkpoint(*checkpoint) if checkpoint else None
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
    checkpoints.write_checkpoint(path, tensors, {"fingerprint": name, "step": step})
