"""Train a network, and calibrate it: each is one or several runs, which `run.py` takes from first step to last."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from models_store import networks
from models_store.device import best_device, seed_generators
from models_store.model import Model
from models_store.networks import Adaptive, Mlp
from models_store.training.calibrating import LabeledLogits, asked_about, fit, further_parts, labeled_logits
from models_store.training.recipe import Recipe, Runtime
from models_store.training.run import Progress, Run
from models_store.training.trained import Later, Trained
from models_store.training.training_set import TrainingSet, split

SHRINK, FRESH = 0.5, 0.5
"""Shares of the last version's weights and of new weights in a warm start. The old weights alone learn new labels worse
than new weights do: Ash and Adams 2020, "On Warm-Starting Neural Network Training"."""


def train(training_set: TrainingSet, recipe: Recipe, runtime: Runtime | None = None, *, later: bool = False) -> Trained:
    """Train a network.

    The same training set and recipe give the same weights, bit for bit, on the same machine with the same number of
    threads and the same `Trained.processes`, also after an interruption, unless `max_seconds` ends the training. The
    global random state is left unchanged. The caller sets the number of threads (`torch.set_num_threads`): where other
    processes want the same cores, one thread is far quicker than several. A GPU is used if there is one.

    Parameters
    ----------
    training_set : TrainingSet
    recipe : Recipe
        Its learner is ignored.
    runtime : Runtime, optional
    later : bool
        Leave the further trainings that only calibrate the model to `calibrate`.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        If no network takes the features.
    TrainingError
        If the loss diverges.
    """
    plan = _Plan.of(training_set, recipe, runtime or Runtime())
    start = recipe.start if recipe.config.warm_start else None
    put_off = later and bool(plan.parts)
    n = len(training_set)
    report = plan.reporting([n] if put_off else [n, *(n - len(part) for part in plan.parts)])
    with plan.random_state():
        run = plan.begin(0, plan.training, plan.validation, start)
        run.fit(report(0))
        # A warm start may have learned before what is held back: further trainings do without.
        how = Later(run.state.best_share, tells=not (start is not None and plan.parts))
        answers = [] if put_off else plan.answers(run.network, how, report)
    calibration = plan.fit(answers) if answers else None
    if calibration is not None:
        cast(networks.CalibrationLayer, run.network.calibration).set(*calibration)
    return Trained(
        model=Model(training_set.question, training_set.n_classes, training_set.input_shape, run.network.cpu().eval()),
        config=recipe.config,
        seed=int(recipe.seed),
        steps=run.state.step,
        seconds=run.seconds(),
        training_size=len(plan.training),
        validation_size=len(plan.validation),
        calibration_size=sum(len(each.targets) for each in answers),
        checks=tuple(run.state.checks),
        calibration=calibration,
        later=how if put_off else None,
        processes=tuple(run.processes),
    )


def calibrate(
    model: Model, later: Later, training_set: TrainingSet, recipe: Recipe, runtime: Runtime | None = None
) -> tuple[Adaptive, int]:
    """Run the further trainings that `train` put off, and fit the calibration that `train` would have found.

    Parameters
    ----------
    model, later : Model, Later
        As `train` returned them. The model is left unchanged.
    training_set, recipe, runtime : TrainingSet, Recipe, Runtime
        As for `train`; `recipe.start` is not used.

    Returns
    -------
    calibration : Adaptive
    labels : int
        The number of labels that it was fitted to.
    """
    plan = _Plan.of(training_set, recipe, runtime or Runtime())
    # Further trainings are numbered from 1: the training itself, number 0, is over.
    report = plan.reporting([0, *(len(training_set) - len(part) for part in plan.parts)])
    with plan.random_state():
        answers = plan.answers(copy.deepcopy(model.network).to(plan.device), later, report)
    return plan.fit(answers), sum(len(each.targets) for each in answers)


Report = Callable[[Progress], None]


@dataclass(frozen=True, eq=False)
class _Plan:
    """The data that a training and its further trainings for calibration share; labels and seed determine them.

    `training` and `validation` are rows of the training itself. `asked`, (n,) bool, are the labels that may calibrate,
    and `parts` the rows that each further training holds back.
    """

    training_set: TrainingSet
    recipe: Recipe
    runtime: Runtime
    training: np.ndarray
    validation: np.ndarray
    asked: np.ndarray
    parts: list[np.ndarray]
    device: torch.device

    @classmethod
    def of(cls, training_set: TrainingSet, recipe: Recipe, runtime: Runtime) -> "_Plan":
        config = recipe.config
        learns_soft = config.soft_labels and training_set.asks.learns_soft and config.loss == "cross-entropy"
        if training_set.soft is not None and not learns_soft:
            training_set = replace(training_set, soft=None)
        rng = np.random.default_rng(recipe.seed)
        training, validation = split(training_set, config.validation_share, rng)
        asked = asked_about(training_set.representative, len(training_set)) & training_set.own
        parts = further_parts(training_set, validation, asked, config, rng)
        return cls(training_set, recipe, runtime, training, validation, asked, parts, best_device())

    def random_state(self) -> AbstractContextManager[None]:
        """Borrow torch's global generators, on which initial weights and dropout draw, and restore them at the end."""
        return torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])

    def reporting(self, work: Sequence[int]) -> Callable[[int], Report]:
        """Return a function from the number of a training to its progress callback, which reports the share of the
        whole `work`.
        """

        def of(number: int) -> Report:
            before = sum(work[:number])
            return lambda at: self.runtime.progress(
                at._replace(share=(before + at.share * work[number]) / sum(work), further=number)
            )

        return of

    def begin(self, number: int, rows: np.ndarray, held_back: np.ndarray, start: Model | None = None) -> Run:
        """Create the run of the training itself (0) or of a further training.

        A further training takes no `start`, because that model may have learned the labels that it holds back.
        """
        labels, recipe, runtime = self.training_set, self.recipe, self.runtime
        seed_generators(self.device, recipe.seed + number)
        if recipe.network is not None:
            network = copy.deepcopy(recipe.network)
        else:
            network = networks.for_shape(labels.input_shape, labels.n_classes)
        if isinstance(network, Mlp):
            network.standardise(labels.features)
        if start is not None:
            warm(network, start.network)
        run = Run(network.to(self.device), labels, rows, held_back, recipe.config, recipe.seed + number, self.device)
        if runtime.checkpoint is not None:
            run.keep_in(numbered(runtime.checkpoint, number), runtime.checkpoint_seconds)
        if runtime.others is not None:
            run.share_with(runtime.others)
        return run

    def answers(self, trained: nn.Module, later: Later, report: Callable[[int], Report]) -> list[LabeledLogits]:
        """Return the LabeledLogits of the trained network, and of each further training, on labels that they did not
        learn.
        """
        answers = []
        held_back = self.validation[self.asked[self.validation]]
        if self.recipe.config.temperature != "none" and len(held_back) and later.tells:
            answers.append(labeled_logits(trained, self.training_set, held_back, self.device))
        for number, part in enumerate(self.parts, start=1):
            further = self.begin(number, self.training_set.without(part), part[:0])
            further.fit(report(number), until=later.until)
            answers.append(labeled_logits(further.network, self.training_set, part, self.device))
        return answers

    def fit(self, answers: list[LabeledLogits]) -> Adaptive:
        """Return the calibration, fitted to all answers."""
        return fit(self.training_set.asks, answers, by=self.recipe.config.temperature)


def forget(checkpoint: Path) -> None:
    """Remove all files that a training with this checkpoint has left."""
    for path in checkpoint.parent.glob(numbered(checkpoint, "*").name):
        path.unlink(missing_ok=True)
    checkpoint.unlink(missing_ok=True)


def numbered(checkpoint: Path, number: int | str) -> Path:
    """Return the file of the training itself (0), or of a further training (1, 2, …)."""
    return checkpoint.with_name(f"{checkpoint.stem}-{number}{checkpoint.suffix}") if number else checkpoint


def warm(network: nn.Module, earlier: nn.Module) -> None:
    """Mix an earlier network's weights into a new network, in place, where their shapes agree.

    New classes keep their new rows. The earlier standardisation replaces the new one: the earlier weights expect it.
    """
    weights = earlier.state_dict()
    buffers = {name for name, _ in network.named_buffers()}
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            old = weights.get(name)
            if old is None or tensor.ndim == 0 or old.shape[1:] != tensor.shape[1:] or len(old) > len(tensor):
                continue
            place = tensor[: len(old)]
            place.copy_(old if name in buffers else SHRINK * old + FRESH * place)
