"""The recipe of a model's training, and the runtime of the training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from models_store.config import TrainConfig
from models_store.estimators import Learner, NetworkLearner
from models_store.model import Model
from models_store.training.run import Progress
from models_store.training.together import Others

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class Recipe:
    """The recipe of a model's training.

    Parameters
    ----------
    seed : int
        All randomness follows from it.
    config : TrainConfig
        Settings of networks. Estimators use `soft_labels` alone.
    learner : type[Learner]
        The networks of this package, or an estimator.
    options : mapping
        The learner's own options.
    network : nn.Module, optional
        A copy of it is trained instead of a new network for the shape; see `Encoder.network`.
    start : Model, optional
        A warm start begins with its weights if `config.warm_start` is on. Classes may have been added since.
    """

    seed: int
    config: TrainConfig = field(default_factory=TrainConfig)
    learner: type[Learner] = NetworkLearner
    options: Mapping[str, Any] = field(default_factory=dict)
    network: nn.Module | None = None
    start: Model | None = None


@dataclass(frozen=True, eq=False)
class Runtime:
    """The place and the helpers of a network's training. The weights depend on none of these but the number of
    `others`.

    Parameters
    ----------
    checkpoint : Path, optional
        A file that is written every `checkpoint_seconds`. The same call continues from it after a crash. Further
        trainings write files beside it. They all stay until `training.forget`.
    checkpoint_seconds : float
    others : Others, optional
        Processes that train along if the work is worth sharing: `together.worth_sharing`.
    progress : callable
        Called after each step. The training saves itself if this raises `Stopped`, and ends with any exception.
    """

    checkpoint: Path | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    others: Others | None = None
    progress: Callable[[Progress], None] = lambda at: None
