"""Train with differential privacy: DP-SGD (Abadi et al. 2016) through Opacus.

Large growing batches, in which noise averages out, fixed features of pictures, and averaged weights make it useful for
few labels: Anil et al. 2021 (2108.01624), De et al. 2022 (2204.13650), Tramèr and Boneh 2021 (2011.11660). The code
reads records only through mechanisms that the accountant counts: no early stopping, no class weights, no choice of
settings by results."""

import copy
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
from opacus.validators import ModuleValidator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from models_store.model import Model, as_input
from models_store.networks import Edges, EdgesConfig, Mlp, MlpConfig
from models_store.privacy import entropy, scaling
from models_store.privacy.accounting import Phase
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.planned import ACCOUNTANT, epsilon
from models_store.privacy.tuning import fine_tune, losses_of, refuse_batch_norm
from models_store.training import Trained, TrainingError, TrainingSet

ASSUMPTIONS = (
    "the number of labels is public, and does not follow from models",
    "each item is in the training set once",
    "noise and sampling came from the operating system and were not kept",
    "no setting was chosen by looking at the labels",
)
"""The assumptions of the stated epsilon, beside the accountant's mathematics."""


def train_private(
    training_set: TrainingSet,
    config: PrivacyConfig,
    *,
    seed: int,
    progress: Callable[[float], None] | None = None,
    pretrained: nn.Module | None = None,
    layers: str = "none",
) -> Trained:
    """Train a network that hides whether any one item was among the n: DP-SGD, Abadi et al. 2016, algorithm 1.

    No two trainings are alike, since noise and sampling come from the operating system. The global random state is left
    unchanged.

    Parameters
    ----------
    training_set : TrainingSet
        Features, targets and proposed classes of n items. The rest is ignored: a label weighs 1.
    config : PrivacyConfig
    seed : int
        Of the initial weights alone.
    progress : callable, optional
        Called with the share done after each step.
    pretrained : Module, optional
        A copy of it is fine-tuned; see `Encoder.network`.
    layers : str
        What learns of `pretrained`: "lora" or "all"; see `tuning.fine_tune`. "none": a small new network in its place.

    Returns
    -------
    Trained
        `privacy` holds the phases for the accountant, delta, epsilon, and the assumptions behind them.

    Raises
    ------
    ValueError
        If no network takes the features, features are not finite, a label is that of another item, or no noise is
        enough.
    TrainingError
        If the weights are no longer finite.
    """
    check_records(training_set, config.chunk)
    n, input_shape = len(training_set), training_set.input_shape
    started, report = time.monotonic(), progress or (lambda share: None)
    phases = config.phases(n)
    # Initial weights come from the global generators: seed them, and restore them afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        tuned = pretrained is not None and layers != "none"
        if tuned:
            network: Any = copy.deepcopy(pretrained)
            fine_tune(network, training_set, phases[1:], config, layers=layers, progress=report)
        else:
            network = network_for(input_shape, training_set.n_classes)
            _train_small(network, training_set, phases, config, report)
    return Trained(
        model=Model(training_set.question, training_set.n_classes, input_shape, network.eval()),
        config=config,
        seed=int(seed),
        steps=config.steps,
        seconds=time.monotonic() - started,
        training_size=n,
        validation_size=0,
        calibration_size=0,
        checks=(),
        privacy={**statement(phases, config, n), **({"layers": layers} if tuned else {})},
    )


def _train_small(
    network: Mlp | Edges,
    training_set: TrainingSet,
    phases: list[Phase],
    config: PrivacyConfig,
    progress: Callable[[float], None],
) -> None:
    """Learn the scale of the inputs of the network's perceptron, and train it."""
    check_network(network)
    input_shape, records = training_set.input_shape, training_set
    perceptron = network if isinstance(network, Mlp) else network.mlp
    if isinstance(network, Edges):
        features = _frozen(network, training_set.features, input_shape, config.chunk)
        records = replace(training_set, features=features, input_shape=features.shape[1:])
    scaling_phase, *stages = phases
    _scale(perceptron, records, scaling_phase.noise_multiplier, config.chunk)
    with warnings.catch_warnings():
        # Torch warns at each step about the first layer, whose inputs need no gradient.
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        averaged = _fit(perceptron, records, stages, config, progress)
    perceptron.load_state_dict(averaged.state_dict())


def network_for(input_shape: tuple[int, ...], n_classes: int) -> Mlp | Edges:
    """Return an untrained network that learns well under noise. Raises ValueError if no network takes the shape."""
    if len(input_shape) == 3:
        return Edges(EdgesConfig(input_shape=input_shape, n_classes=n_classes))
    if len(input_shape) == 1:
        return Mlp(MlpConfig(n_inputs=input_shape[0], n_classes=n_classes, dropout=0.0))
    raise ValueError(f"no network takes features of the shape {input_shape}")


def check_records(records: TrainingSet, chunk: int) -> None:
    """Raise ValueError if the accountant's bound would not hold for these records.

    It hides one record: a label that several records share would be hidden less. And no clip bounds a gradient that is
    not a number.
    """
    if shared := len(records) - int(records.own.sum()):
        raise ValueError(f"{shared} of the labels repeat{'s' if shared == 1 else ''} that of another item")
    starts = range(0, len(records), chunk)
    if not all(np.isfinite(records.features[start : start + chunk]).all() for start in starts):
        raise ValueError("the features hold numbers that are not finite")


def check_network(network: nn.Module) -> None:
    """Raise ValueError, naming the layer, if a record's result depends on other records (batch norm), or if Opacus has
    no gradients for a layer.
    """
    refuse_batch_norm(network)
    problems = ModuleValidator.validate(network.train(), strict=False)
    if problems:
        raise ValueError(f"not a network for private training: {problems[0]}")


def statement(phases: list[Phase], config: PrivacyConfig, n: int) -> dict[str, Any]:
    """Return the privacy statement of a training, as JSON: all that is needed to recompute epsilon."""
    return {
        "epsilon": epsilon(phases, config.delta),
        "delta": config.delta,
        "records": n,
        "phases": [phase._asdict() for phase in phases],
        "clipping_norm": config.clipping_norm,
        "accountant": ACCOUNTANT,
        "assumptions": list(ASSUMPTIONS),
    }


def _frozen(network: Edges, features: np.ndarray, input_shape: tuple[int, ...], chunk: int) -> np.ndarray:
    """Compute the inputs of the perceptron once: (n, d) float32."""
    parts = range(0, len(features), chunk)
    return np.concatenate(
        [network.frozen(as_input(features, slice(start, start + chunk), input_shape)).numpy() for start in parts]
    )


def _scale(perceptron: Mlp, records: TrainingSet, noise_multiplier: float, chunk: int) -> None:
    """Learn the scale of the perceptron's inputs."""
    n, dim = records.features.shape
    mean, gain = scaling.learn(
        lambda: (
            as_input(records.features, slice(start, start + chunk), (dim,)).float().numpy()
            for start in range(0, n, chunk)
        ),
        n=n,
        dim=dim,
        noise_multiplier=noise_multiplier,
    )
    perceptron.mean.copy_(torch.from_numpy(mean))
    perceptron.gain.copy_(torch.from_numpy(gain))


def _fit(
    network: Mlp,
    records: TrainingSet,
    stages: list[Phase],
    config: PrivacyConfig,
    progress: Callable[[float], None],
) -> nn.Module:
    """Train through all stages; return the perceptron with the running average of the weights."""
    n, steps = len(records), sum(stage.steps for stage in stages)
    average = AveragedModel(network, multi_avg_fn=_averaging(config.averaging))
    # Opacus's own check refuses layers with buffers; here only `_scale` writes buffers.
    private = GradSampleModuleFastGradientClipping(
        network, strict=False, loss_reduction="sum", max_grad_norm=config.clipping_norm
    )
    rate = _learning_rate(network, stages, config, n)
    optimiser = _Optimiser(
        torch.optim.SGD(network.parameters(), lr=rate, momentum=config.momentum),
        noise_multiplier=stages[0].noise_multiplier,
        max_grad_norm=config.clipping_norm,
        expected_batch_size=1,
    )
    weights: list[Tensor] = list(network.parameters())
    for step, stage in enumerate([each for each in stages for _ in range(each.steps)], start=1):
        optimiser.noise_multiplier = stage.noise_multiplier
        optimiser.expected_batch_size = n * stage.sampling_rate
        _step(private, optimiser, records, entropy.poisson_sample(n, stage.sampling_rate), config.chunk)
        with torch.no_grad():
            torch._foreach_mul_(weights, 1 - config.weight_decay)
        average.update_parameters(network)
        progress(step / steps)
    if not all(bool(each.isfinite().all()) for each in average.module.parameters()):
        raise TrainingError("the weights are not finite: try a smaller step size")
    return average.module


def _step(
    private: GradSampleModuleFastGradientClipping,
    optimiser: "_Optimiser",
    records: TrainingSet,
    rows: np.ndarray,
    chunk: int,
) -> None:
    """Take one step on the sampled rows: clip and add up gradients chunk by chunk, then add noise once.

    An empty sample gives a step of noise alone, so that its emptiness does not show.
    """
    optimiser.zero_grad()
    for weights in optimiser.params:
        weights.grad = torch.zeros_like(weights)
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        losses = losses_of(private, records, part)
        DPTensorFastGradientClipping(private, optimiser, losses, loss_reduction="sum").backward()
        if start + chunk < len(rows):
            optimiser.signal_skip_step(True)
            optimiser.step()
    optimiser.signal_skip_step(False)
    optimiser.step()


class _Optimiser(DPOptimizerFastGradientClipping):
    """The optimiser of Opacus, with noise from the operating system."""

    def add_noise(self) -> None:
        for weights in self.params:
            noise = entropy.gaussian(weights.shape, self.noise_multiplier * self.max_grad_norm)
            weights.grad = weights.summed_grad + noise


def _learning_rate(perceptron: Mlp, stages: list[Phase], config: PrivacyConfig, n: int) -> float:
    """Return the learning rate with which the noise of an average step moves the output of a unit in the first layer by
    `step_size`.

    It follows from noise, sampling and shape, never from a record. Later stages have less noise, so more of their steps
    is gradient.
    """
    records = n * sum(stage.sampling_rate * stage.steps for stage in stages) / sum(stage.steps for stage in stages)
    noise = stages[0].noise_multiplier * config.clipping_norm / records
    return config.step_size / math.sqrt(perceptron.config.n_inputs) / noise


def _averaging(kept: float) -> Callable[[Any, Any, Any], None]:
    """Return an exponential average; over fewer steps at first, so that the initial weights fade."""

    @torch.no_grad()
    def update(averages: list[Tensor], weights: list[Tensor], averaged: Tensor | int) -> None:
        torch._foreach_lerp_(averages, weights, max(1 - kept, 9 / (int(averaged) + 9)))

    return update
