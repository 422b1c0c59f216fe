"""Processes on the nodes of a Ray cluster that share a training with the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from labeling.steps.compute.cluster import Cluster, Shared
from models_store.ray_driver import Kept


class TrainAlong:
    """`models_store.training.together.Others` on a cluster: each process takes a GPU if there is any, or a core."""

    def __init__(self, cluster: Cluster, most: int) -> None:
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
