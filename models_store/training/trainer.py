"""Train a network, and calibrate it: each is one or several runs, which `run.py` takes from first step to last."""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from models_store import networks
from models_store.config import TrainConfig
from models_store.device import best_device, seed_generators
from models_store.model import Model, as_input
from models_store.networks import Adaptive, Mlp
from models_store.training.calibrating import LabeledLogits, asked_about, fit, further_parts, labeled_logits
from models_store.training.gradients import in_parts
from models_store.training.recipe import Recipe, Runtime
from models_store.training.run import Progress, Run
from models_store.training.schedule import Schedule
from models_store.training.spreading import Graph, log_shares
from models_store.training.teacher import Fold, Teacher, fit_teacher
from models_store.training.trained import Later, Trained
from models_store.training.training_set import TrainingSet, split_off_validation

MOST_LABELS = 10_000
"""From so many labels on, the pool is not learned: it added less the more labels there were."""
MOST_SCORES = 2**23
"""The most items x classes of labels that spread."""
PUPIL_STEPS = 5
"""The least steps on labels and pool, for each of the least steps on labels."""
FOLDS = 3
FIRST_FOLD, FIRST_PUPIL = 10, 20
"""Numbers of the trainings that choose how the pool is learned, and of those that learn it."""
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
    reports = plan.reports(first=True, further=not put_off)
    with plan.random_state():
        run = first = plan.begin(0, plan.training, plan.validation, start)
        run.fit(next(reports))
        teacher = plan.teacher(reports)
        if teacher is not None:
            run = plan.pupil(0, first, plan.training, plan.validation, teacher)
            run.fit(next(reports))
        # A warm start may have learned before what is held back: further trainings do without.
        how = Later(run.state.best_share, tells=not (start is not None and plan.parts), teacher=teacher)
        answers = [] if put_off else plan.answers(run.network, how, reports)
    calibration = plan.fit(answers) if answers else None
    if calibration is not None:
        cast(networks.CalibrationLayer, run.network.calibration).set(*calibration)
    return Trained(
        model=Model(training_set.question, training_set.n_classes, training_set.input_shape, run.network.cpu().eval()),
        config=recipe.config,
        seed=int(recipe.seed),
        steps=run.state.step,
        seconds=first.seconds(),
        training_size=len(plan.training),
        validation_size=len(plan.validation),
        calibration_size=sum(len(each.targets) for each in answers),
        checks=tuple(run.state.checks),
        calibration=calibration,
        later=how if put_off else None,
        pool=plan.described(teacher),
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
    reports = plan.reports(first=False, further=True)
    with plan.random_state():
        answers = plan.answers(copy.deepcopy(model.network).to(plan.device), later, reports)
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
    learns_pool: bool

    @classmethod
    def of(cls, training_set: TrainingSet, recipe: Recipe, runtime: Runtime) -> "_Plan":
        config = recipe.config
        learns_soft = config.soft_labels and training_set.asks.learns_soft and config.loss == "cross-entropy"
        if training_set.soft is not None and not learns_soft:
            training_set = replace(training_set, soft=None)
        rng = np.random.default_rng(recipe.seed)
        training, validation = split_off_validation(training_set, config.validation_share, rng)
        asked = asked_about(training_set.representative, len(training_set)) & training_set.own
        parts = further_parts(training_set, validation, asked, config, rng)
        learns_pool = _learns_pool(training_set, recipe)
        return cls(training_set, recipe, runtime, training, validation, asked, parts, best_device(), learns_pool)

    def random_state(self) -> AbstractContextManager[None]:
        """Borrow torch's global generators, on which initial weights and dropout draw, and restore them at the end."""
        return torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])

    def reports(self, *, first: bool, further: bool) -> Iterator[Report]:
        """Yield the progress callback of each training in turn: it reports the share of all work.

        `first`, `further`: whether the training itself, and the further ones, take part.
        """
        n, config = len(self.training_set), self.recipe.config
        pupil = [self._pupil_steps()] if self.learns_pool else []
        work = []
        if first:
            folds = [Schedule.of(config, n - n // FOLDS).steps] * (FOLDS * self.learns_pool)
            work += [Schedule.of(config, n).steps, *folds, *pupil]
        for part in self.parts if further else []:
            work += [Schedule.of(config, n - len(part)).steps, *pupil]
        done = 0
        for number, steps in enumerate(work):
            yield partial(self._report, number, done / sum(work), steps / sum(work))
            done += steps

    def _report(self, number: int, done: float, share: float, at: Progress) -> None:
        self.runtime.progress(at._replace(share=done + at.share * share, further=number))

    def begin(
        self,
        number: int,
        rows: np.ndarray,
        held_back: np.ndarray,
        start: Model | None = None,
        *,
        labels: TrainingSet | None = None,
        config: TrainConfig | None = None,
    ) -> Run:
        """Create the run of the training itself (0), or of a further training, which has a number of its own.

        A further training takes no `start`, because that model may have learned the labels that it holds back.
        `labels` and `config` are the plan's, unless given.
        """
        labels, recipe, runtime = labels or self.training_set, self.recipe, self.runtime
        config = config or recipe.config
        seed_generators(self.device, recipe.seed + number)
        if recipe.network is not None:
            network = copy.deepcopy(recipe.network)
        else:
            network = networks.for_shape(labels.input_shape, labels.n_classes)
        if isinstance(network, Mlp):
            network.standardise(labels.features)
        # Weights that even out yes and no even out their odds as far.
        begin_at(network, labels.first_biases(rows) * (1 - config.class_balance))
        if start is not None:
            warm(network, start.network)
        run = Run(network.to(self.device), labels, rows, held_back, config, recipe.seed + number, self.device)
        if runtime.checkpoint is not None:
            run.keep_in(numbered(runtime.checkpoint, number), runtime.checkpoint_seconds)
        if runtime.others is not None:
            run.share_with(runtime.others)
        return run

    @cached_property
    def graph(self) -> Graph:
        """The graph of the labeled items, and then of the pool's."""
        assert self.training_set.pool is not None
        seed_generators(self.device, self.recipe.seed)
        return Graph.of(np.concatenate([self.training_set.features, self.training_set.pool]))

    def teacher(self, reports: Iterator[Report]) -> Teacher | None:
        """Return what tells the classes of the pool's items, from which another network then learns (`pupil`).

        Labels spread along the graph from labeled items to their neighbours (label propagation). How far they do, and
        how much the graph counts beside the network, is fitted to labels that neither has seen: the labeled items are
        divided into `FOLDS` parts, and for each part a network is trained on the other parts alone (cross-fitting). To
        fit them to labels that the network has learned would trust the network too much.

        None if the labels alone are learned, or if the graph does not help.
        """
        own = self.training[self.training_set.own[self.training]]
        if not self.learns_pool or len(own) < FOLDS:
            return None
        fold_of = np.random.default_rng([self.recipe.seed, 3]).permutation(len(own)) % FOLDS
        folds = []
        for fold in range(FOLDS):
            held_out = own[fold_of == fold]
            learned = np.intersect1d(self.training_set.without(held_out), self.training)
            run = self.begin(FIRST_FOLD + fold, learned, held_out[:0])
            run.fit(next(reports))
            folds.append(Fold(held_out, learned, self._logs(run.network, self.training_set.features[held_out])))
        labels = self.training_set
        teacher = fit_teacher(self.graph, labels.labels(), labels.asks.as_array(labels.kept_targets), folds)
        return teacher if teacher.helps else None

    def pupil(self, number: int, run: Run, rows: np.ndarray, held_back: np.ndarray, teacher: Teacher) -> Run:
        """Create the run that learns these rows, and the pool's items as the teacher tells them by these rows alone.

        `run` has learned the rows. The teacher knows the pool's items alone; a network that learns from it predicts any
        item, and is saved, calibrated and exported as all others.
        """
        labels = self.training_set
        assert labels.pool is not None
        n = len(labels)
        shares = log_shares(self.graph.spread(rows, labels.labels()[rows], teacher.keep)[n:])
        taught = labels.taught(teacher.probabilities(shares, self._logs(run.network, labels.pool)))
        config = replace(self.recipe.config, soft_labels=True, max_steps=self._pupil_steps())
        rows = np.concatenate([rows, np.arange(n, len(taught))])
        return self.begin(FIRST_PUPIL + number, rows, held_back, labels=taught, config=config)

    def described(self, teacher: Teacher | None) -> dict[str, Any] | None:
        """Return `Trained.pool`."""
        pool = self.training_set.pool
        return None if teacher is None or pool is None else {"items": len(pool), **asdict(teacher)}

    def _pupil_steps(self) -> int:
        """Return the steps of a training on labels and pool: as many as on the labels alone, if that is enough."""
        config = self.recipe.config
        usual = Schedule.of(config, len(self.training)).steps
        return min(max(usual, PUPIL_STEPS * config.min_steps), config.max_steps)

    def _logs(self, network: nn.Module, features: np.ndarray) -> np.ndarray:
        """Return the logarithms of the network's probabilities, (m, n_classes) float32."""
        network.eval()
        parts = []
        for rows in in_parts(np.arange(len(features)), network, self.training_set.n_classes):
            with torch.no_grad():
                logits = network(as_input(features, rows, self.training_set.input_shape).to(self.device))[1]
            parts.append(torch.log_softmax(logits.float(), dim=1).cpu())
        return torch.cat(parts).numpy()

    def answers(self, trained: nn.Module, later: Later, reports: Iterator[Report]) -> list[LabeledLogits]:
        """Return the LabeledLogits of the trained network, and of each further training, on labels that they did not
        learn.
        """
        answers = []
        held_back = self.validation[self.asked[self.validation]]
        if self.recipe.config.temperature != "none" and len(held_back) and later.tells:
            answers.append(labeled_logits(trained, self.training_set, held_back, self.device))
        for number, part in enumerate(self.parts, start=1):
            rows = self.training_set.without(part)
            run = self.begin(number, rows, part[:0])
            run.fit(next(reports), until=1.0 if later.teacher else later.until)
            if later.teacher:
                run = self.pupil(number, run, rows, part[:0], later.teacher)
                run.fit(next(reports), until=later.until)
            answers.append(labeled_logits(run.network, self.training_set, part, self.device))
        return answers

    def fit(self, answers: list[LabeledLogits]) -> Adaptive:
        """Return the calibration, fitted to all answers."""
        return fit(self.training_set.asks, answers, by=self.recipe.config.temperature)


def _learns_pool(training_set: TrainingSet, recipe: Recipe) -> bool:
    """Return whether the pool is learned, too. A network that an encoder provides takes too long for it."""
    config, pool = recipe.config, training_set.pool
    if config.learns_from != "pool" or pool is None or not len(pool) or len(training_set) > MOST_LABELS:
        return False
    n_scores = (len(training_set) + len(pool)) * training_set.n_classes
    fits = training_set.asks.learns_soft and n_scores <= MOST_SCORES
    return fits and config.loss == "cross-entropy" and config.max_seconds is None and recipe.network is None


def forget(checkpoint: Path) -> None:
    """Remove all files that a training with this checkpoint has left."""
    for path in checkpoint.parent.glob(numbered(checkpoint, "*").name):
        path.unlink(missing_ok=True)
    checkpoint.unlink(missing_ok=True)


def numbered(checkpoint: Path, number: int | str) -> Path:
    """Return the file of the training itself (0), or of a further training (1, 2, …)."""
    return checkpoint.with_name(f"{checkpoint.stem}-{number}{checkpoint.suffix}") if number else checkpoint


def begin_at(network: nn.Module, biases: torch.Tensor) -> None:
    """Add (n_classes,) biases to those of the last layer, in place; an encoder's network may have no such layer."""
    head = getattr(network, "head", None)
    if isinstance(head, nn.Linear) and head.bias is not None and len(head.bias) == len(biases):
        with torch.no_grad():
            head.bias.add_(biases)


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
