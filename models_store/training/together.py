"""One training in several processes: synchronous data parallelism.

The process that leads holds all that a step changes: weights, optimiser, averages. For each step it sends the weights
to the others, each works out the gradients of its share of the labels, and their sum comes back (broadcast and reduce
of torch.distributed, by gloo). The others keep nothing: when one of them dies, the step is done again without it.
"""

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
from models_store.training.gradients import Gradients

logger = logging.getLogger(__name__)

dist: Any = torch.distributed  # whose types leave out most of what is used here

LEAST_WORK = 1e12
"""Floating-point operations of a training that is worth sharing: about a minute of a core. It takes seconds to come
together."""
LEAST_SHARE, LEAST_SHARE_BY_WEIGHT = 2e7, 200
"""Operations that each process must have to do in a step, in all and for each weight of the network: what a core does
while weights and gradients travel (1 ms, and 10 ns for each)."""
MEET_SECONDS = 60.0
"""How long the others may take to come: they load torch, and may have to wait for a core."""
STEP_MINUTES, PAUSE_MINUTES = 10, 30
"""How long a step may take, and the pause between two, for checks and whatever reports progress."""
ATTEMPTS, PAUSE_SECONDS = 8, 1.0
"""How often a step is started again with the processes left, after a pause that grows by so much: a cluster takes its
time to see that a node has gone. If they still do not hold, the training goes on alone."""


class Others(Protocol):
    """Processes that can train along."""

    @property
    def room(self) -> int:
        """For how many there is room now."""

    @property
    def address(self) -> str:
        """Of this machine, at which they reach it."""

    def share(self, value: Any) -> Any:
        """What to hand to calls for a value that all of them take."""

    def start(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> None:
        """Start each call in a process of its own, once: not again when that dies."""

    def running(self) -> int:
        """How many of those started last go on. Raises what any of them raised."""


class Together:
    """A training's gradients, worked out by this process, and by others where there are any and it is worth it."""

    def __init__(self, gradients: Gradients, others: Others | None = None, most: int = 1) -> None:
        """`most`: processes, this one among them."""
        self._gradients, self._others, self.most = gradients, others, most
        self._shared: Any = None
        self._group: _Group | None = None

    def work_out(self, step: int, start: int, count: int) -> tuple[float, int]:
        """As `Gradients.work_out` for the whole step, and by how many processes that was done.

        Raises what another process raises, and what `Others` do.
        """
        for attempt in range(ATTEMPTS):
            if self.most == 1 or self._others is None:
                break
            try:
                self._group = self._group or self._gather(self._others)
                return self._sum(self._group, step, start, count), self._group.world
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
        return self._gradients.work_out(step, start, count), 1

    def end(self) -> None:
        """Let the others go."""
        if self._group is not None:
            self._group.close()
        self._group = None

    def _sum(self, group: _Group, step: int, start: int, count: int) -> float:
        group.send(torch.tensor([step, start, count]))
        group.send(_flat(self._gradients.network))
        return _share_of_step(group, self._gradients, step, start, count)

    def _gather(self, others: Others) -> _Group:
        """Those that come. Raises `_Nobody` if none does, and `_Left` if one has gone meanwhile."""
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
    """What each other process does until the one at the address lets it go: how many steps it took part in."""
    network = copy.deepcopy(gradients.network)
    gradients = replace(gradients, network=network).to(best_device())
    steps, at, weights = 0, torch.zeros(3, dtype=torch.int64), _flat(network)
    try:
        group = _come(address, port, place)
        while group is not None:
            group.send(at)
            group.send(weights)
            _fill([each.data for each in _learning(network)], weights)
            _share_of_step(group, gradients, *at.tolist())
            steps += 1
    except _Left as left:
        logger.info("Let go after %d steps (%s).", steps, left)
    return steps


def _come(address: str, port: int, place: int) -> _Group | None:
    """The group, or None if it has begun without us."""
    with _all_there():
        own = own_address(address, port)
        store = dist.TCPStore(address, port, is_master=False, timeout=timedelta(seconds=MEET_SECONDS))
        store.set(f"here {place}", "")
        # This one waits for the slowest of us.
        store.wait([f"rank {place}"], timedelta(seconds=2 * MEET_SECONDS))
        rank, world = map(int, store.get(f"rank {place}").split())
    return _Group(store, rank, world, own) if rank else None


def _share_of_step(group: _Group, gradients: Gradients, step: int, start: int, count: int) -> float:
    """Work out this process's share; afterwards the leader has the gradients and the loss of all."""
    loss = gradients.work_out(step, start, count, rank=group.rank, world=group.world)
    grads = [each.grad for each in _learning(gradients.network) if each.grad is not None]
    total = torch.cat([*(each.flatten().cpu() for each in grads), torch.tensor([loss])])
    group.add_up(total)
    _fill(grads, total)
    return total[-1].item()


def worth_sharing(gradients: Gradients, *, batch: int, labels: int) -> int:
    """The most processes that are worth it for steps of `batch` labels and `labels` in all steps together: follows from
    the network and its settings alone, so that the same training is shared out alike.
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
    """A process has gone, or cannot be reached."""


class _Nobody(Exception):
    """No other process has come."""


class _Group:
    """The processes that have come together; that of rank 0 leads. All methods raise `_Left`."""

    def __init__(self, store: Any, rank: int, world: int, address: str) -> None:
        """`address`: of this machine, at which the others reach it."""
        gloo = dist.ProcessGroupGloo
        # By the address: the name of a machine often leads others to themselves.
        options = gloo._Options()
        options._devices, options._timeout = [gloo.create_device(hostname=address)], timedelta(seconds=MEET_SECONDS)
        with _all_there():
            self._gloo = gloo(store, rank, world, options)
        self._store, self.rank, self.world = store, rank, world

    def send(self, tensor: Tensor) -> None:
        """From the leader to all: afterwards they hold the same."""
        with _all_there():
            self._gloo.broadcast(tensor, root=0, timeout=timedelta(minutes=PAUSE_MINUTES)).wait()

    def add_up(self, tensor: Tensor) -> None:
        """Afterwards the leader holds the sum. Its order follows from the number of processes."""
        options = dist.ReduceOptions()
        options.rootRank, options.timeout = 0, timedelta(minutes=STEP_MINUTES)
        with _all_there():
            self._gloo.reduce([tensor], options).wait()

    def close(self) -> None:
        """The others are told at once: the connections end."""
        self._gloo = None


@contextmanager
def _all_there() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise _Left(str(error).splitlines()[0]) from error


def own_address(address: str, port: int) -> str:
    """By which this machine is known where that address is."""
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
