"""Measure the seconds and the memory of a transfer."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.measuring import peak_bytes

Result = dict[str, Any]


def measured(start: Callable[[], Iterable[Any]]) -> Result:
    """Exhaust what the call returns; return the seconds to its first piece and to its end, and the memory."""
    held, cpu, began = peak_bytes(), time.process_time(), time.perf_counter()
    pieces = iter(start())
    next(pieces)
    first = time.perf_counter() - began
    for _ in pieces:
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"cpu": cpu, "seconds": seconds, "first": first, "memory": peak_bytes() - held}


def check(number: int, items: int) -> None:
    if number != items:
        raise SystemExit(f"{number} rows were transferred, not {items}.")
