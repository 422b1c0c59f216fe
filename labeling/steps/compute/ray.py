"""Run the heavy work of the steps in parts, on the nodes of a Ray cluster: the same results as in one process.

Parts have the same borders as in one process, so that all sums have the same order. Only the results of trainings
depend on the number of processes that share them: COMPUTE_TRAINING_WORLD.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from django.conf import settings

from labeling.steps.compute import Local, Progress
from labeling.steps.compute.ray_cluster import RayCluster, Shared
from models_store.encoders import Encoder
from models_store.model import Model
from models_store.networks import Adaptive
from models_store.nodes import EncoderState, encode_part, score_rows
from models_store.prediction import CHUNK, Prediction, check_arguments
from models_store.ray_driver import Kept
from models_store.training import Later, Recipe, Runtime, Trained, TrainingSet

# Parts that one call scores at most, whose embeddings take some tens of MB; and calls for each core.
MOST_PARTS, CALLS_EACH = 8, 4


class OnRay(Local):
    """A Ray cluster that a value of COMPUTE names. All methods raise `ComputeAway` when it does not answer."""

    def __init__(self, where: str) -> None:
        self.workers = self.cluster = RayCluster(where)

    @property
    def side_by_side(self) -> int:  # type: ignore[override]
        # The items stay in memory meanwhile: 64 chunks of 512 are 32,768 images.
        return min(64, 4 * self.cluster.count)

    def encode(self, encoder: Encoder, chunks: Iterable[Sequence[Any]]) -> Iterator[tuple[np.ndarray, dict[int, str]]]:
        state = self.cluster.share(EncoderState.of(encoder))
        return self.cluster.map(encode_part, ((state, raws) for raws in chunks), gpu=True)

    def train(self, training_set: TrainingSet, recipe: Recipe, runtime: Runtime, *, later: bool = False) -> Trained:
        with self._with_others(runtime) as shared:
            return super().train(training_set, recipe, shared, later=later)

    def calibrate(
        self, model: Model, later: Later, training_set: TrainingSet, recipe: Recipe, runtime: Runtime
    ) -> tuple[Adaptive, int]:
        with self._with_others(runtime) as shared:
            return super().calibrate(model, later, training_set, recipe, shared)

    @contextmanager
    def _with_others(self, runtime: Runtime) -> Iterator[Runtime]:
        """Yield the runtime with further processes on the cluster, if COMPUTE_TRAINING_WORLD allows any."""
        others = TrainAlong(self.cluster, settings.COMPUTE_TRAINING_WORLD - 1)
        try:
            yield replace(runtime, others=others if others.most else None)
        finally:
            others.end()

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
        check_arguments(model, features, proposed=proposed, extras=extras)
        shared, n = self.cluster.share(model), len(features)
        # Several parts a call, since a call costs some 10 ms; several calls a core, so that all cores end together.
        each = CHUNK * min(MOST_PARTS, max(1, n // CHUNK // (CALLS_EACH * self.cluster.count)))

        def call(start: int) -> tuple[Any, ...]:
            rows = slice(start, min(start + each, n))
            pairs = None if proposed is None else proposed[rows]
            return shared, features[rows], start, pairs, merged, tuple(extras), embeddings

        for parts in self.cluster.map(score_rows, map(call, range(0, n, each))):
            for part in parts:
                yield part
                if progress is not None:
                    progress(min(part.start + CHUNK, n) / n)


class TrainAlong:
    """Further training processes on the cluster's nodes: each takes a GPU if there is any, or a core."""

    def __init__(self, cluster: RayCluster, most: int) -> None:
        self.cluster, self.most = cluster, most
        self._started: list[list[Kept]] = []

    @property
    def room(self) -> int:
        return min(self.most, self.cluster.room(gpu=True))

    @property
    def address(self) -> str:
        return self.cluster.own_address

    def share(self, value: Any) -> Shared:
        return self.cluster.share(value)

    def start(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> None:
        self._started.append(self.cluster.start(function, calls, gpu=True))

    def running(self) -> int:
        running = [sum(map(self.cluster.runs, calls)) for calls in self._started]
        return running[-1] if running else 0

    def end(self) -> None:
        """Release all started processes."""
        self.cluster.forget([call for calls in self._started for call in calls])
