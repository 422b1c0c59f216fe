"""One training, from its first step to its last, with its checkpoints."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.training import checkpoints
from models_store.training.gradients import Gradients, StepOf, in_parts, on
from models_store.training.losses import Objective
from models_store.training.optimiser import average_over, parameter_groups
from models_store.training.schedule import Schedule
from models_store.training.together import Others, Together, worth_sharing
from models_store.training.training_set import Stream, TrainingSet

LEARNED = 0.05
"""Little is left to learn when the loss falls to this share of the loss of guessing. The training then ends after
another quarter of the steps so far, while the step size falls to nothing. Easy labels take a few passes, hard labels
all."""


class TrainingError(RuntimeError):
    """The training diverged: the loss is no longer finite."""


class Stopped(Exception):
    """Raised by `progress`, to save the training and end it."""


class Progress(NamedTuple):
    """The share done of all trainings, the step of at most `steps`, and the recent loss (a running mean)."""

    share: float
    step: int
    steps: int
    loss: float
    further: int = 0
    """0 for the training of the model itself; 1, 2, … for the further trainings that only calibrate it."""


@dataclass(frozen=True)
class Check:
    """The loss and errors of the averaged weights on the held-back labels."""

    step: int
    training_loss: float
    validation_loss: float
    validation_errors: float
    """The share of wrong answers."""


@dataclass
class _State:
    """The numbers that a step changes, besides tensors."""

    step: int = 0
    taken: int = 0
    """The place in the stream: labels that all steps so far have taken."""
    steps: int = 0
    """The most steps; fewer if little is left to learn."""
    patience: int = 0
    best_share: float = 1.0
    """The share of the training after which it had the weights that it ends with."""
    loss: float = 0.0
    seconds: float = 0.0
    checks: list[Check] = field(default_factory=list)


class Run:
    """One training: a network, its optimiser, the running average of its weights, and its state."""

    def __init__(
        self,
        network: nn.Module,
        training_set: TrainingSet,
        training: np.ndarray,
        validation: np.ndarray,
        config: TrainConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        """Set up the training. `network` is on the `device`; `training` and `validation` are rows of the training
        set.
        """
        self.network, self.training_set, self.validation = network, training_set, validation
        self.config, self.seed, self.device = config, seed, device
        self.schedule = Schedule.of(config, len(training))
        self.check_every = max(self.schedule.per_pass, self.schedule.steps // 30)
        learned = training_set.kept_targets[torch.from_numpy(training)]
        objective = Objective.of(training_set.asks, config, learned, training_set.n_classes, device)
        stream = Stream(training, seed)
        self.gradients = Gradients(network, training_set, objective, stream, config, seed, device)
        self.together = Together(self.gradients)
        groups = parameter_groups(network, config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        self.average = AveragedModel(network, multi_avg_fn=average_over(self.schedule.per_pass))
        self.best: dict[str, Tensor] = {}
        self.processes: list[int] = []  # that trained together; another number each time that it changes
        self.state = _State(steps=self.schedule.steps, patience=config.patience)
        self._path: Path | None = None
        self._print = ""
        self._every = self._saved = 0.0
        self._started = time.monotonic()

    def fit(self, progress: Callable[[Progress], None], *, until: float = 1.0) -> None:
        """Train in place. The network ends with the averaged weights of the best check, or with the last ones if there
        was no check.

        Checks look at a running average of the weights over about a pass (Polyak averaging): while the step size is
        large, the weights themselves jump, and the best of many checks would be a lucky one. The best check is the
        latest one whose share of errors is within one standard error, or within one answer, of the smallest share. Few
        held-back labels cannot tell more, and rare classes are learned last. The loss does not decide: it rises with
        overconfidence, long before answers get worse.

        Parameters
        ----------
        progress : callable
            Called after each step.
        until : float
            The share of the training to do.
        """
        try:
            self._steps(progress, until)
        finally:
            self.together.end()
        self._save()
        self.network.load_state_dict(self.best or self.average.module.state_dict())
        progress(Progress(1.0, self.state.step, self.state.step, self.state.loss))

    def _steps(self, progress: Callable[[Progress], None], until: float) -> None:
        state = self.state
        learned = max(LEARNED * self.training_set.asks.guessing_loss(self.training_set.kept_targets), 1e-3)
        while not (state.step and (self.share() >= until or state.patience == 0)):
            loss = self._step()
            state.step += 1
            state.loss += (loss - state.loss) / min(state.step, self.check_every)
            if not math.isfinite(state.loss):
                raise TrainingError(f"the loss is not finite at step {state.step}: try a smaller learning rate")
            if state.loss < learned:
                state.steps = min(state.steps, max(state.step + state.step // 4, self.config.min_steps))
            share = self.share()
            if len(self.validation) and (state.step % self.check_every == 0 or share >= 1):
                self._record_check()
            self._tell(progress, Progress(share, state.step, state.steps, state.loss))
            if time.monotonic() - self._saved >= self._every:
                self._save()

    def share_with(self, others: Others) -> None:
        """Share the work of each step with other processes, if it is worth sharing."""
        schedule = self.schedule
        most = worth_sharing(self.gradients, batch=schedule.smallest, labels=schedule.batch(0.5) * schedule.steps)
        self.together = Together(self.gradients, others, most)

    def _tell(self, progress: Callable[[Progress], None], at: Progress) -> None:
        try:
            progress(at)
        except Stopped:
            self._save()
            raise

    def share(self) -> float:
        """Return the larger of the shares done of the steps and of the time. The step size is zero at both ends."""
        limit = self.config.max_seconds
        by_time = 0.0 if limit is None else self.seconds() / limit
        return min(1.0, max(self.state.step / self.state.steps, by_time))

    def seconds(self) -> float:
        """Return the seconds of the training, with those before a restart."""
        return self.state.seconds + time.monotonic() - self._started

    def _step(self) -> float:
        """Take one step of the optimiser; return the mean cross-entropy over its labels."""
        share = self.share()
        count = self.schedule.batch(share)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self.schedule.rate(share) * group["part"]
        step = StepOf(self.state.step, self.state.taken, count, self.schedule.soft(share))
        loss, processes = self.together.work_out(step)
        self.state.taken += count
        if self.processes[-1:] != [processes]:
            self.processes.append(processes)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        return loss

    def _record_check(self) -> None:
        """Evaluate the averaged weights: keep them if they are about the best so far, else use up some patience."""
        state = self.state
        check = Check(state.step, state.loss, *self._evaluate())
        state.checks.append(check)
        fewest = min(each.validation_errors for each in state.checks)
        n = len(self.validation)
        answers = math.prod(self.training_set.asks.target_shape(n, self.training_set.n_classes))
        # With at most one wrong answer, the standard error is less than an answer: a lucky check would end it all.
        chance = max(math.sqrt(fewest * (1 - fewest) / n), 1.5 / answers)
        if check.validation_errors <= fewest + chance:
            self.best = {name: tensor.clone() for name, tensor in self.average.module.state_dict().items()}
            state.patience, state.best_share = self.config.patience, self.share()
        else:
            state.patience -= 1

    def _evaluate(self) -> tuple[float, float]:
        """Return the mean loss and the share of errors of the averaged weights on the held-back labels."""
        loss = errors = 0.0
        asks = self.training_set.asks
        for logits, targets, proposed in logits_of(
            self.average.module, self.training_set, self.validation, self.device
        ):
            answers = asks.of_answers(logits, proposed)
            loss += asks.losses(answers, targets).cross_entropy.mean().item() * len(logits)
            errors += asks.errors(answers, targets).item() * len(logits)
        return loss / len(self.validation), errors / len(self.validation)

    def keep_in(self, path: Path, seconds: float) -> None:
        """Save to the file every `seconds`; continue from it if it is a checkpoint of this training."""
        labels = self.training_set
        recipe = (labels.question, labels.input_shape, self.config, self.seed, torch.__version__, self.device.type)
        weights = self.network.state_dict()
        sets = labels.kept_targets
        targets = (sets.classes, sets.starts) if isinstance(sets, ClassSets) else (sets,)
        soft = () if labels.soft is None else (labels.soft.data, labels.soft.indices, labels.soft.indptr)
        self._print = checkpoints.fingerprint(
            labels.features,
            *targets,
            *soft,
            *(labels.propagated or ()),
            labels.kept_proposed,
            recipe,
            *weights,
            *(each.cpu() for each in weights.values()),
        )
        self._path, self._every, self._saved = path, seconds, time.monotonic()
        kept = checkpoints.read_checkpoint(path, self._print)
        if kept is None:
            return
        tensors, state = kept
        self.network.load_state_dict(checkpoints.of_prefix("network", tensors))
        self.average.load_state_dict(checkpoints.of_prefix("average", tensors))
        self.best = {name: value.to(self.device) for name, value in checkpoints.of_prefix("best", tensors).items()}
        checkpoints.restore_optimiser(self.optimiser, tensors)
        checks = [Check(**check) for check in state["run"].pop("checks")]
        self.state = _State(**state["run"], checks=checks)
        self.processes = state.get(
            "processes", [1]
        )  # earlier releases trained in one process and did not save the number

    def _save(self) -> None:
        if self._path is None:
            return
        tensors = {
            **checkpoints.module_tensors("network", self.network),
            **checkpoints.module_tensors("average", self.average),
            **{f"best.{name}": tensor for name, tensor in self.best.items()},
            **checkpoints.optimiser_tensors(self.optimiser),
        }
        run = {**asdict(self.state), "seconds": self.seconds()}
        checkpoints.write_checkpoint(
            self._path, tensors, {"fingerprint": self._print, "run": run, "processes": self.processes}
        )
        self._saved = time.monotonic()


def logits_of(
    network: nn.Module, training_set: TrainingSet, rows: np.ndarray, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield logits, targets and proposed classes of the rows, part by part, with the network in evaluation mode."""
    network.eval()
    for part in in_parts(rows, network, training_set.n_classes):
        inputs, targets, proposed = training_set.take(part)
        with torch.no_grad():
            logits = network(inputs.to(device))[1]
        yield logits, targets.to(device), on(device, proposed)
