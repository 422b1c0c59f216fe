"""Compile loops by numba, and run them in the machine's threads."""

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
    """Compile on the first call, and cache the machine code in a file if a folder is writable.

    The function releases the interpreter lock, so that other threads, such as the worker's heartbeat, run meanwhile.
    """
    return _compile(function, set())


def fast(function: Function) -> Function:
    """Compile as `compiled` does, but let sums be taken in any order, which is the same in every run on a machine."""
    return _compile(function, {"reassoc", "contract"})


def _compile(function: Function, fastmath: set[str]) -> Function:
    try:
        return cast(Function, numba.njit(nogil=True, fastmath=fastmath, cache=True)(function))
    except RuntimeError:  # numba found nowhere to keep it
        return cast(Function, numba.njit(nogil=True, fastmath=fastmath)(function))


class Threads:
    """A pool with a thread for each core of the process. Matrix products in its threads use one thread each."""

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
        """Return the results of `function(*call)` for each of `calls`, in their order."""
        return self._pool.map(lambda call: function(*call), calls)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS cannot bind a process to cores


def writable(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a writable view of a read-only array, so that numba does not compile a second version for read-only
    arrays.

    The caller must not write to the view. The view is valid as long as the array.
    """
    buffer: Any = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    return np.frombuffer(buffer, array.dtype).reshape(array.shape)


def parts(length: int, count: int) -> list[tuple[int, int]]:
    """Divide 0 … length into at most `count` ranges (first, last) of nearly equal length."""
    edges = [length * part // count for part in range(count + 1)]
    return [(first, last) for first, last in pairwise(edges) if first < last]
