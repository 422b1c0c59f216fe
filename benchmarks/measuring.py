"""Helpers of the selector's benchmarks: generated pools, and measurements in a process of its own."""

import json
import multiprocessing
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

BLOCK = 1 << 18
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
POOLS = ("hierarchy", "blobs", "noise")
Work = TypeVar("Work")
Result = TypeVar("Result")


def make_embeddings(path: Path, items: int, dim: int, kind: str, seed: int) -> None:
    """Write a float32 .npy of (items, dim), block by block.

    "hierarchy" is meant to be like the last layer of a network: 20 classes, each of many groups of many sizes, each a
    flat of 12 dimensions, and a little noise in all. "blobs": one tight ball for each 200 items. "noise": no
    structure at all, the worst case for any search for neighbours.
    """
    rng = np.random.default_rng(seed)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (items, dim))
    groups = max(items // (2000 if kind == "hierarchy" else 200), 1)
    classes = rng.normal(size=(20, dim)) * 2
    centres = (classes[rng.integers(20, size=groups)] + rng.normal(size=(groups, dim))).astype(np.float32)
    weights = rng.lognormal(sigma=1.0, size=groups)
    flats = rng.normal(size=(64, 12, dim)).astype(np.float32) / 4
    for start in range(0, items, BLOCK):
        count = min(BLOCK, items - start)
        noise = rng.standard_normal((count, dim), dtype=np.float32)
        if kind == "noise":
            out[start : start + count] = noise
            continue
        group = rng.choice(groups, size=count, p=weights / weights.sum())
        block = centres[group] + noise * np.float32(0.05)
        if kind == "hierarchy":
            places = rng.standard_normal((count, 12), dtype=np.float32)
            for flat in range(len(flats)):
                here = group % len(flats) == flat
                block[here] += places[here] @ flats[flat]
            np.maximum(block, 0, out=block)
        out[start : start + count] = block
    out.flush()


def peak_bytes() -> int:
    """Return the peak memory of the process so far, including pages of memory maps."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage, it forgets the process that this one was forked from
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def in_a_process(module: str, **options: Any) -> dict[str, Any]:
    """Run `python -m module --run … --option value …`, and return the JSON object of its last line."""
    command = [sys.executable, "-m", module]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        raise SystemExit(
            f"{module}: {' '.join(command[3:])} ended with status {process.returncode}; see its message above"
        )
    return json.loads(process.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def side_by_side(run: Callable[[Work], Result], works: Sequence[Work], processes: int) -> Iterator[tuple[Work, Result]]:
    """Run the works in parallel, and yield each with its result when it is done.

    Each process computes with one thread; a single work runs in this process.
    """
    if processes == 1:
        yield from ((work, run(work)) for work in works)
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"  # read by the libraries when a process starts
    # Not forked: a copy of a process that has used BLAS may hang.
    with ProcessPoolExecutor(min(processes, len(works)), multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(run, work): work for work in works}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def chromium() -> str:
    """Return the path of the machine's Chromium. Without one, the benchmark ends."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None) or sys.exit(
        "No Chromium on this machine: install the package chromium."
    )


def machine() -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }
