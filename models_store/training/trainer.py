"""Features and labels -> a trained model: one trainer for every network and question, readable top to bottom."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import nn

from models_store import networks, questions
from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.device import best_device, seed_generators
from models_store.model import Model, checked_features
from models_store.networks import Adaptive, Mlp
from models_store.training.calibrating import Answers, answers_of, asked_about, fit, further_parts
from models_store.training.labels import Labels, Propagated, split
from models_store.training.run import Progress, Run
from models_store.training.together import Others
from models_store.training.trained import Later, Trained

SHRINK, FRESH = 0.5, 0.5
"""Of the last version's weights and of new ones, what a warm start begins with. Weights as they were learn the labels
that came since worse than new ones do: Ash and Adams 2020, "On Warm-Starting Neural Network Training"."""
CHECKPOINT_SECONDS = 30.0

Report = Callable[[Progress], None]


def train(
    features: np.ndarray,
    targets: np.ndarray | ClassSets,
    *,
    question: str,
    n_classes: int,
    input_shape: tuple[int, ...],
    config: TrainConfig | None = None,
    seed: int,
    proposed: np.ndarray | None = None,
    soft: csr_array | None = None,
    propagated: Propagated | None = None,
    representative: np.ndarray | None = None,
    network: nn.Module | None = None,
    start: Model | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    later: bool = False,
    others: Others | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train a network on (n, dim) features of labeled items, n >= 1.

    `targets` for "single": (n,) class indices; "multi": `ClassSets`, or (n, n_classes) bool; "verify": (n,) bool, with
    `proposed`, (n,) class indices. Classes without any label are fine. Items of the control slice must not be among
    them.
    `soft`: (n, n_classes) how probable each class is, for "single". What is made small is the cross-entropy with it, if
    `config` wants that; when to stop and how sure the model may be go by the `targets`.
    `propagated`: which of the labels are those of others, given to near-copies, and what each counts.
    `representative`: (n,) bool, the items that were drawn at random from all that the model will be asked about. Others
    were picked because they are hard: if enough are representative, they alone tell how sure the model may be.
    `network`: what is trained, a copy of it, in place of a new network for the shape; see `Encoder.network`.
    `start`: the model that a warm start begins with, if `config` wants one; classes may have been added since.
    `checkpoint`: a file that is written every `checkpoint_seconds`; the same call goes on from it after whatever ended
    the process. It stays, and the like of it beside it, one for each further training: `forget` them when the model is
    safe.
    `later`: leave out the further trainings that only tell how sure the model may be, for `calibrate`.
    `others`: processes that may train along, if there is enough to do for several: `together.worth_sharing`.

    Same arguments, same machine, same number of threads, same `Trained.processes`: the same weights, bit for bit, also
    if it was cut short and taken up (unless `max_seconds` ends it). The global random state is left as it was. Threads
    are the caller's to set (`torch.set_num_threads`): where other processes want the same cores, one is far quicker
    than several that wait for each other. Trains on a GPU if there is one. Raises ValueError for arguments that do not
    fit together, TrainingError if the loss diverges.
    """
    config = config or TrainConfig()
    plan = _Plan.of(
        features, targets, question, n_classes, input_shape, config, seed, proposed, soft, propagated, representative
    )
    plan.network, plan.others = network, others
    plan.checkpoint, plan.checkpoint_seconds = checkpoint, checkpoint_seconds
    start = start if config.warm_start else None
    put_off = later and bool(plan.parts)
    further = [] if put_off else plan.parts
    report = _reporting(progress or (lambda at: None), [plan.n, *(plan.n - len(part) for part in further)])
    with plan.random_state():
        run = plan.begin(0, plan.training, plan.validation, start)
        run.fit(report(0))
        # A warm start may have learned before what is held back: further trainings do without.
        how = Later(run.state.best_share, tells=not (start is not None and plan.parts))
        answers = [] if put_off else plan.answers(run.network, how, report)
    calibration = plan.fit(answers) if answers else None
    if calibration is not None:
        cast(networks.CalibrationLayer, run.network.calibration).set(*calibration)
    n_calibrating = sum(len(each.targets) for each in answers)
    return plan.trained(run, calibration, n_calibrating, later=how if put_off else None)


def calibrate(
    model: Model,
    later: Later,
    features: np.ndarray,
    targets: np.ndarray | ClassSets,
    *,
    config: TrainConfig,
    seed: int,
    proposed: np.ndarray | None = None,
    soft: csr_array | None = None,
    propagated: Propagated | None = None,
    representative: np.ndarray | None = None,
    network: nn.Module | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    others: Others | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Adaptive, int]:
    """How sure a model may be whose `train` put that off, and to how many labels it was fitted: what `train` would have
    found by itself.

    `model` and `later` as `train` gave them, or as they were saved; everything else as for `train`, `start` not needed.
    What `progress` raises ends it; the same call goes on from there. The model stays as it is.
    """
    of_model = (model.question, model.n_classes, model.input_shape)
    plan = _Plan.of(features, targets, *of_model, config, seed, proposed, soft, propagated, representative)
    plan.network, plan.others = network, others
    plan.checkpoint, plan.checkpoint_seconds = checkpoint, checkpoint_seconds
    # Further trainings are numbered from 1: the training itself, number 0, is over.
    report = _reporting(progress or (lambda at: None), [0, *(plan.n - len(part) for part in plan.parts)])
    with plan.random_state():
        answers = plan.answers(copy.deepcopy(model.network).to(plan.device), later, report)
    return plan.fit(answers), sum(len(each.targets) for each in answers)


@dataclass
class _Plan:
    """What a training and those that calibrate it have in common; all of it follows from the labels and the seed."""

    features: np.ndarray
    labels: Labels
    n_classes: int
    config: TrainConfig
    seed: int
    training: np.ndarray
    validation: np.ndarray
    asked: np.ndarray
    parts: list[np.ndarray]
    device: torch.device
    network: nn.Module | None = None
    checkpoint: Path | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    others: Others | None = None

    @classmethod
    def of(
        cls,
        features: np.ndarray,
        targets: np.ndarray | ClassSets,
        question: str,
        n_classes: int,
        input_shape: tuple[int, ...],
        config: TrainConfig,
        seed: int,
        proposed: np.ndarray | None,
        soft: csr_array | None,
        propagated: Propagated | None,
        representative: np.ndarray | None,
    ) -> "_Plan":
        """Raises ValueError for arguments that do not fit together."""
        checked_features(features, input_shape)
        n = len(features)
        if n == 0:
            raise ValueError("nothing to train on: no labeled item")
        asks = questions.named(question)
        answers, pairs = asks.checked_targets(targets, proposed, n=n, n_classes=n_classes)
        learned = soft if config.soft_labels and asks.learns_soft and config.loss == "cross-entropy" else None
        if learned is not None and learned.shape != (n, n_classes):
            raise ValueError(f"soft labels have the shape {learned.shape}, expected {(n, n_classes)}")
        labels = Labels(asks, features, answers, pairs, tuple(input_shape), learned, propagated)
        rng = np.random.default_rng(seed)
        training, validation = split(labels, config.validation_share, rng)
        asked = asked_about(representative, n) & labels.own
        parts = further_parts(labels, validation, asked, config, rng)
        return cls(features, labels, n_classes, config, seed, training, validation, asked, parts, best_device())

    @property
    def n(self) -> int:
        return len(self.features)

    def random_state(self) -> AbstractContextManager[None]:
        """Initial weights and dropout draw on torch's global generators: borrow them, and give them back unchanged."""
        return torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])

    def begin(self, number: int, rows: np.ndarray, held_back: np.ndarray, start: Model | None = None) -> Run:
        """The training itself (0), or a further one: the `start` may have learned what such a one holds back."""
        seed_generators(self.device, self.seed + number)
        shape = self.labels.input_shape
        own = copy.deepcopy(self.network) if self.network is not None else networks.for_shape(shape, self.n_classes)
        if isinstance(own, Mlp):
            own.standardise(self.features)
        if start is not None:
            warm(own, start.network)
        own = own.to(self.device)
        run = Run(own, self.labels, self.n_classes, rows, held_back, self.config, self.seed + number, self.device)
        if self.checkpoint is not None:
            run.keep_in(numbered(self.checkpoint, number), self.checkpoint_seconds)
        if self.others is not None:
            run.share_with(self.others)
        return run

    def answers(self, trained: nn.Module, later: Later, report: Callable[[int], Report]) -> list[Answers]:
        """What the trained network, and the further trainings, say of labels that they did not learn."""
        answers = []
        held_back = self.validation[self.asked[self.validation]]
        if self.config.temperature != "none" and len(held_back) and later.tells:
            answers.append(answers_of(trained, self.labels, held_back, self.n_classes, self.device))
        for number, part in enumerate(self.parts, start=1):
            further = self.begin(number, self.labels.without(part), part[:0])
            further.fit(report(number), until=later.until)
            answers.append(answers_of(further.network, self.labels, part, self.n_classes, self.device))
        return answers

    def fit(self, answers: list[Answers]) -> Adaptive:
        return fit(self.labels.question, answers, by=self.config.temperature)

    def trained(self, run: Run, calibration: Adaptive | None, n_calibrating: int, *, later: Later | None) -> Trained:
        """The model of the training itself, fitted to so many labels how sure it may be."""
        labels = self.labels
        return Trained(
            model=Model(labels.question.name, self.n_classes, labels.input_shape, run.network.cpu().eval()),
            config=self.config,
            seed=int(self.seed),
            steps=run.state.step,
            seconds=run.seconds(),
            training_size=len(self.training),
            validation_size=len(self.validation),
            calibration_size=n_calibrating,
            checks=tuple(run.state.checks),
            calibration=calibration,
            later=later,
            processes=tuple(run.processes),
        )


def forget(checkpoint: Path) -> None:
    """Remove all that a training with this checkpoint has left."""
    for path in checkpoint.parent.glob(numbered(checkpoint, "*").name):
        path.unlink(missing_ok=True)
    checkpoint.unlink(missing_ok=True)


def numbered(checkpoint: Path, number: int | str) -> Path:
    """Where the training itself (0) and the further ones (1, 2, …) stand."""
    return checkpoint.with_name(f"{checkpoint.stem}-{number}{checkpoint.suffix}") if number else checkpoint


def _reporting(
    progress: Callable[[Progress], None], work: Sequence[int]
) -> Callable[[int], Callable[[Progress], None]]:
    """By the number of a training, how it reports its progress as a part of all: each takes as long as its `work`."""

    def of(number: int) -> Callable[[Progress], None]:
        before = sum(work[:number])
        return lambda at: progress(at._replace(share=(before + at.share * work[number]) / sum(work), further=number))

    return of


def warm(network: nn.Module, earlier: nn.Module) -> None:
    """Mix an earlier network's weights into a new one's, in place, as far as they have the same shape. Classes that
    came since keep their new rows; the standardisation becomes the earlier one's, which its weights expect.
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
