"""Run the heavy work of the steps on the worker itself or on a Ray cluster, by the setting COMPUTE.

Steps read rows, ask `compute` for arrays, and write rows. Each place to compute is a class with these methods. The
methods take and return arrays, models and encoders, never rows of the database.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from models_store.encoders import Encoder
from models_store.learning import learn
from models_store.model import Model
from models_store.networks import Adaptive
from models_store.nodes import encode_good
from models_store.prediction import Prediction, predict
from models_store.privacy.config import PrivacyConfig
from models_store.training import Later, Recipe, Runtime, Trained, TrainingSet, calibrate
from selector.linkage import EXACT_UP_TO, average_linkage
from selector.sharded import Workers

Progress = Callable[[float], None]


class Local:
    """The worker's own process."""

    side_by_side = 1
    """The number of chunks that are encoded at the same time: callers need not read more chunks ahead."""
    workers: Workers | None = None
    """The processes in which the selector clusters, joins and picks; None for this process."""

    def prepare(self) -> None:
        """Load the libraries and compile the code that the first training and clustering of a process need: seconds.

        Optional: they load on their own otherwise.
        """
        # Every optimizer imports it, and it takes as long to load as torch. By name, so that mypy does not read it.
        import_module("torch._dynamo")
        average_linkage(np.random.default_rng(0).normal(size=(EXACT_UP_TO + 1, 8)).astype(np.float32))

    def encode(self, encoder: Encoder, chunks: Iterable[Sequence[Any]]) -> Iterator[tuple[np.ndarray, dict[int, str]]]:
        """Encode each chunk of raw items in order: the features of the encodable items, and the reasons for the others
        by place.

        Works as `models_store.nodes.encode_good`, and reads `chunks` only as far as needed.
        """
        for raws in chunks:
            yield encode_good(encoder, raws)

    def train(self, training_set: TrainingSet, recipe: Recipe, runtime: Runtime, *, later: bool = False) -> Trained:
        """Train a model by `models_store.learning.learn`."""
        return learn(training_set, recipe, runtime, later=later)

    def calibrate(
        self, model: Model, later: Later, training_set: TrainingSet, recipe: Recipe, runtime: Runtime
    ) -> tuple[Adaptive, int]:
        """Calibrate a model by `models_store.training.calibrate`."""
        return calibrate(model, later, training_set, recipe, runtime)

    def check_private(self, recipe: Recipe) -> None:
        """Raise ValueError, in one line, if the recipe's network cannot be trained in private. Costs no privacy."""
        from models_store.privacy.tuning import check_tunable

        if recipe.network is not None and recipe.config.private_layers != "none":
            check_tunable(recipe.network, layers=recipe.config.private_layers)

    def train_in_private(
        self, training_set: TrainingSet, config: PrivacyConfig, recipe: Recipe, *, progress: Progress
    ) -> Trained:
        """Train by `models_store.privacy.training.train_private`, with the recipe's seed, network and layers."""
        # Opacus takes seconds to load, and few projects need it.
        from models_store.privacy.training import train_private

        return train_private(
            training_set,
            config,
            seed=recipe.seed,
            progress=progress,
            pretrained=recipe.network,
            layers=recipe.config.private_layers,
        )

    def score(
        self,
        model: Model,
        features: np.ndarray,
        *,
        proposed: np.ndarray | None = None,
        merged: Mapping[int, int] | None = None,
        extras: Sequence[str] = (),
        embeddings: bool = True,
        progress: Progress | None = None,
    ) -> Iterator[Prediction]:
        """Return the model's predictions for every row, part by part, as `models_store.prediction.predict`.

        `embeddings`: whether the caller reads them. If not, they may be empty.
        """
        return predict(model, features, proposed=proposed, merged=merged, extras=extras, progress=progress)


def computing_by(where: str) -> Local:
    """Return the place to compute that a value of COMPUTE names. It connects to a cluster at the first call.

    Raises `ImproperlyConfigured` if the value needs Ray and Ray is not installed.
    """
    if where == "local":
        return Local()
    if find_spec("ray") is None:
        raise ImproperlyConfigured(f"COMPUTE={where} needs Ray. Install it with: scripts/setup.sh requirements-ray.txt")
    from labeling.steps.compute.ray import OnRay  # an extra, which takes a second to load

    return OnRay(where)


compute = computing_by(settings.COMPUTE)
