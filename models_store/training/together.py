"""One training in several processes: synchronous data parallelism.

The leading process holds all that a step changes: weights, optimiser, averages. For each step it sends the weights to
the other processes, each works out the gradients of its share of the labels, and the sum comes back (broadcast and
reduce of torch.distributed, by gloo). The other processes keep nothing: if one of them dies, the step is repeated
without it."""

from __future__ import annotations

import copy
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models_store.device import best_device
from models_store.training.gradients import Gradients, StepOf

logger = logging.getLogger(__name__)

dist: Any = torch.distributed  # whose types leave out most of what is used here

LEAST_WORK = 1e12
"""The least floating-point operations of a training that is worth sharing: about a minute of a core. Processes take
seconds to connect."""
LEAST_SHARE, LEAST_SHARE_BY_WEIGHT = 2e7, 200
"""The least operations of a process in a step, in all and for each weight of the network: as many as a core does while
weights and gradients travel (1 ms, and 10 ns for each weight)."""
MEET_SECONDS = 60.0
"""The most seconds until the other processes connect: they load torch, and may wait for a core."""
STEP_MINUTES, PAUSE_MINUTES = 10, 30
"""The most minutes of a step, and of the pause between two steps, for checks and progress reports."""
ATTEMPTS, PAUSE_SECONDS = 8, 1.0
"""Attempts at a step with the processes that are left, and the growth of the pause between them: a cluster takes time
to notice a dead node. After the last attempt, the training continues in this process alone."""


class Others(Protocol):
    """Processes that can train together with this one."""

    @property
    def room(self) -> int:
        """The number of processes that can start now."""

    @property
    def address(self) -> str:
        """The address at which they reach this machine."""

    def share(self, value: Any) -> Any:
        """Return a handle on a value that all calls take, to pass to them instead."""

    def start(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> None:
        """Start each call in a process of its own. A call is not repeated if its process dies."""

    def running(self) -> int:
        """Return the number of the last started calls that still run. Raises the exception of a call that failed."""


class Together:
    """A training's gradients, worked out by this process and by others if sharing is worth it."""

    def __init__(self, gradients: Gradients, others: Others | None = None, most: int = 1) -> None:
        """Start without other processes. `most`: the most processes, including this one."""
        self._gradients, self._others, self.most = gradients, others, most
        self._shared: Any = None
        self._group: _Group | None = None

    def work_out(self, step: StepOf) -> tuple[float, int]:
        """Work out a step's gradients; return its mean cross-entropy and the number of processes.

        Raises the exceptions of other processes and of `Others`.
        """
        for attempt in range(ATTEMPTS):
            if self.most == 1 or self._others is None:
                break
            try:
                self._group = self._group or self._gather(self._others)
                return self._sum(self._group, step), self._group.world
            except _Left as left:
                self.end()
                self._others.running()
                logger.warning("A process that trained along has gone (%s).", left)
                time.sleep(attempt * PAUSE_SECONDS)
            except _Nobody:
                break
        if self.most > 1:
            logger.warning("No other process holds: the training goes on in this one alone.")
            self.most = 1
        return self._gradients.work_out(step), 1

    def end(self) -> None:
        """Disconnect the other processes."""
        if self._group is not None:
            self._group.close()
        self._group = None

    def _sum(self, group: _Group, step: StepOf) -> float:
        group.send(torch.tensor(step, dtype=torch.float64))
        group.send(_flat(self._gradients.network))
        return _share_of_step(group, self._gradients, step)

    def _gather(self, others: Others) -> _Group:
        """Return the group of the processes that connect. Raises `_Nobody` if there is none, and `_Left` if one dies
        meanwhile.
        """
        if self._shared is None:
            own = replace(self._gradients, network=copy.deepcopy(self._gradients.network))
            self._shared = others.share(own.to(torch.device("cpu")))
        store = dist.TCPStore(others.address, 0, is_master=True, wait_for_workers=False)
        places = range(min(self.most - 1, others.room))
        others.start(follow, [(self._shared, others.address, store.port, place) for place in places])
        end = time.monotonic() + MEET_SECONDS
        while len(here := [place for place in places if store.check([f"here {place}"])]) < min(
            len(places), others.room
        ):
            if time.monotonic() > end:
                break
            if others.running() < len(places):
                raise _Left("before it began")
            time.sleep(0.02)
        world = len(here) + 1
        for place in places:
            store.set(f"rank {place}", f"{here.index(place) + 1 if place in here else 0} {world}")
        if not here:
            raise _Nobody
        return _Group(store, 0, world, others.address)


def follow(gradients: Gradients, address: str, port: int, place: int) -> int:
    """Work out shares of steps for the leader at the address, until it ends; return the number of steps."""
    network = copy.deepcopy(gradients.network)
    gradients = replace(gradients, network=network).to(best_device())
    steps, at, weights = 0, torch.zeros(len(StepOf._fields), dtype=torch.float64), _flat(network)
    try:
        group = _come(address, port, place)
        while group is not None:
            group.send(at)
            group.send(weights)
            _fill([each.data for each in _learning(network)], weights)
            _share_of_step(group, gradients, StepOf.of(at.tolist()))
            steps += 1
    except _Left as left:
        logger.info("Let go after %d steps (%s).", steps, left)
    return steps


def _come(address: str, port: int, place: int) -> _Group | None:
    """Return the group; None if it has begun without this process."""
    with _all_there():
        own = own_address(address, port)
        store = dist.TCPStore(address, port, is_master=False, timeout=timedelta(seconds=MEET_SECONDS))
        store.set(f"here {place}", "")
        # The leader answers when the slowest process has connected.
        store.wait([f"rank {place}"], timedelta(seconds=2 * MEET_SECONDS))
        rank, world = map(int, store.get(f"rank {place}").split())
    return _Group(store, rank, world, own) if rank else None


def _share_of_step(group: _Group, gradients: Gradients, step: StepOf) -> float:
    """Work out this process's share; afterwards the leader has the gradients and the loss of the whole step."""
    loss = gradients.work_out(step, rank=group.rank, world=group.world)
    grads = [each.grad for each in _learning(gradients.network) if each.grad is not None]
    total = torch.cat([*(each.flatten().cpu() for each in grads), torch.tensor([loss])])
    group.add_up(total)
    _fill(grads, total)
    return total[-1].item()


def worth_sharing(gradients: Gradients, *, batch: int, labels: int) -> int:
    """Return the most processes that are worth sharing a training with; 1 for this process alone.

    It follows from the network and its settings alone, so that the same training is always shared alike.

    Parameters
    ----------
    gradients : Gradients
    batch : int
        Labels of a step.
    labels : int
        Labels of all steps together.
    """
    network = gradients.network.eval()
    inputs = gradients.training_set.take(np.zeros(1, np.int64))[0].to(gradients.device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(inputs)
    work = 3 * counter.get_total_flops()  # forward, and twice as much backward
    if work * labels < LEAST_WORK:
        return 1
    weights = sum(each.numel() for each in _learning(network))
    return max(1, min(batch, int(work * batch / (LEAST_SHARE + LEAST_SHARE_BY_WEIGHT * weights))))


class _Left(Exception):
    """A process has died, or cannot be reached."""


class _Nobody(Exception):
    """No other process has connected."""


class _Group:
    """The connected processes; rank 0 leads. All methods raise `_Left`."""

    def __init__(self, store: Any, rank: int, world: int, address: str) -> None:
        """Connect the processes. `address`: where the others reach this machine."""
        gloo = dist.ProcessGroupGloo
        # By the address: on other machines, this machine's name often resolves to themselves.
        options = gloo._Options()
        options._devices, options._timeout = [gloo.create_device(hostname=address)], timedelta(seconds=MEET_SECONDS)
        with _all_there():
            self._gloo = gloo(store, rank, world, options)
        self._store, self.rank, self.world = store, rank, world

    def send(self, tensor: Tensor) -> None:
        """Copy the leader's tensor to all other processes."""
        with _all_there():
            self._gloo.broadcast(tensor, root=0, timeout=timedelta(minutes=PAUSE_MINUTES)).wait()

    def add_up(self, tensor: Tensor) -> None:
        """Put the sum into the leader's tensor. The order of the sum follows from the number of processes."""
        options = dist.ReduceOptions()
        options.rootRank, options.timeout = 0, timedelta(minutes=STEP_MINUTES)
        with _all_there():
            self._gloo.reduce([tensor], options).wait()

    def close(self) -> None:
        """End the connections; the other processes notice at once."""
        self._gloo = None


@contextmanager
def _all_there() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise _Left(str(error).splitlines()[0]) from error


def own_address(address: str, port: int) -> str:
    """Return the address of this machine, as the machine at `address` sees it."""
    with socket.create_connection((address, port)) as connection:
        own: str = connection.getsockname()[0]
    return own


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [each for each in network.parameters() if each.requires_grad]


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten().cpu() for each in _learning(network)])


def _fill(tensors: Sequence[Tensor], flat: Tensor) -> None:
    """Copy the numbers into the tensors, one after the other."""
    place = 0
    for tensor in tensors:
        tensor.copy_(flat[place : place + tensor.numel()].view_as(tensor))
        place += tensor.numel()
