"""Loops over items, compiled by numba, with the machine's threads side by side."""

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Function = TypeVar("Function", bound=Callable[..., Any])
Scalar = TypeVar("Scalar", bound=np.generic)
T = TypeVar("T")


def compiled(function: Function) -> Function:
    """Compile on the first call, and keep the machine code in a file where there is a folder that may be written.

    The function releases the interpreter lock: others, the worker's heartbeat among them, go on meanwhile.
    """
    return _compile(function, set())


def fast(function: Function) -> Function:
    """As `compiled`, for sums that may be taken in any order. The order is the same in every run on a machine."""
    return _compile(function, {"reassoc", "contract"})


def _compile(function: Function, fastmath: set[str]) -> Function:
    try:
        return cast(Function, numba.njit(nogil=True, fastmath=fastmath, cache=True)(function))
    except RuntimeError:  # numba found nowhere to keep it
        return cast(Function, numba.njit(nogil=True, fastmath=fastmath)(function))


class Threads:
    """As many threads as the process may use cores. Matrix products inside them keep to their own thread."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or _cores()

    def __enter__(self) -> "Threads":
        self._limits = threadpool_limits(1, user_api="blas")
        self._pool = ThreadPoolExecutor(self.count)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._limits.restore_original_limits()

    def map(self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """The results of `function(*call)` for each of `calls`, in their order."""
        return self._pool.map(lambda call: function(*call), calls)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS cannot bind a process to cores


def writable(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A view of an array from another process, which is read-only, as one that could be written to. It lasts as long as
    the array; nothing may be written. numba would compile everything a second time for read-only arrays.
    """
    buffer: Any = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    return np.frombuffer(buffer, array.dtype).reshape(array.shape)


def parts(length: int, count: int) -> list[tuple[int, int]]:
    """At most `count` ranges (first, last) of nearly equal length that make up 0 … length."""
    edges = [length * part // count for part in range(count + 1)]
    return [(first, last) for first, last in pairwise(edges) if first < last]
