"""Fine-tune a pretrained network with DP-SGD: all layers whose gradients can be clipped, or low-rank adapters
(Li et al. 2022, 2110.05679; Yu et al. 2022, 2110.06500).
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models_store.privacy import entropy, lora
from models_store.privacy.accounting import Phase
from models_store.privacy.clipping import check_examples, check_layers, covered
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.steps import add_noise, add_up, optimiser_of, set_rate
from models_store.training import TrainingError, TrainingSet

LEARNING_RATES = {"lora": 3e-3, "all": 1e-3}
WEIGHT_DECAY = 0.01


def fine_tune(
    network: Any,
    records: TrainingSet,
    stages: list[Phase],
    config: PrivacyConfig,
    *,
    layers: str,
    progress: Callable[[float], None],
) -> None:
    """Train the network in place, to hide whether any one record was among the n.

    Parameters
    ----------
    network : Module
        With `body`, `head`, and the interface of `models_store.networks`.
    records : TrainingSet
    stages : list of Phase
        Sampling, noise and steps.
    config : PrivacyConfig
        The clipping norm and the chunk are read here.
    layers : str
        "lora" or "all". The head learns in any case. Weights that cannot be clipped stay as they are, for example
        the positions of a vision transformer, and so do weights of the body that need no gradient.
    progress : callable
        Called with the share done after each step.

    Raises
    ------
    ValueError
        As `prepare`.
    TrainingError
        If the weights are no longer finite.
    """
    prepare(network, layers=layers)
    rate, steps = LEARNING_RATES[layers], [stage for stage in stages for _ in range(stage.steps)]
    optimiser = optimiser_of(network, rate, WEIGHT_DECAY)
    for step, stage in enumerate(steps, start=1):
        set_rate(optimiser, rate, step, len(steps))
        rows = entropy.poisson_sample(len(records), stage.sampling_rate)
        add_up(network, _chunks(network, records, rows, config.chunk), config.clipping_norm)
        add_noise(network, stage.noise_multiplier * config.clipping_norm, len(records) * stage.sampling_rate)
        optimiser.step()
        progress(step / len(steps))
    lora.merge_adapters(network.body)
    if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
        raise TrainingError("the weights are not finite: try a smaller share of the layers")


def check_tunable(network: nn.Module, *, layers: str) -> None:
    """Raise ValueError as `prepare`, and leave the network as it is."""
    with torch.random.fork_rng(devices=[]):
        prepare(copy.deepcopy(network), layers=layers)


def prepare(network: Any, *, layers: str) -> None:
    """Choose the weights that learn, and check that private training can clip them.

    Looks at no record. Raises ValueError, in one line, for batch norm, and for layers that mix records or whose
    gradients cannot be clipped.
    """
    refuse_batch_norm(network)
    network.eval()  # no dropout: a record's gradient depends on the record alone
    network.calibration.train()
    able = {weight for weight in network.body.parameters() if weight.requires_grad}
    network.requires_grad_(False)
    if layers == "lora":
        lora.add_adapters(network.body)
        learning = {
            weight
            for each in network.modules()
            if isinstance(each, lora.Lora)
            for weight in (each.down.weight, each.up.weight)
        }
    else:
        learning = covered(network.body) & able
    for weight in learning | set(network.head.parameters()):
        weight.requires_grad_(True)
    check_layers(network)
    _check_examples(network)


def refuse_batch_norm(network: nn.Module) -> None:
    """Raise ValueError, naming the layer, if a record's result depends on other records by batch norm."""
    for name, layer in network.named_modules():
        if isinstance(layer, _BatchNorm):
            kind = type(layer).__name__
            raise ValueError(f"{kind} ({name}) mixes records, which leaves no guarantee: use GroupNorm or LayerNorm")


def losses_of(network: nn.Module, records: TrainingSet, rows: np.ndarray) -> Tensor:
    """Return the loss of each row, (m,); for "multi" the mean over its classes."""
    inputs, targets, proposed = records.take(rows)
    answers = records.asks.of_answers(network(inputs)[1], proposed)
    losses = records.asks.losses(answers, targets).cross_entropy
    return losses if losses.ndim == 1 else losses.mean(dim=1)


def _chunks(network: nn.Module, records: TrainingSet, rows: np.ndarray, chunk: int) -> Iterator[Callable[[], Tensor]]:
    size = min(chunk, getattr(network, "most_rows", chunk))
    for start in range(0, len(rows), size):
        yield partial(losses_of, network, records, rows[start : start + size])


def _check_examples(network: Any) -> None:
    """Check the gradients on two made-up inputs. The last layer is 0 at first, so look at the embedding, too."""
    inputs = network.made_up(2)

    def made_up_losses(part: slice) -> Tensor:
        embedding, logits = network(inputs[part])
        weights = torch.linspace(-1, 1, embedding.shape[1])
        total: Tensor = (embedding * weights).sum(dim=1) + logits.square().sum(dim=1) + logits.sum(dim=1)
        return total

    check_examples(network, made_up_losses)
