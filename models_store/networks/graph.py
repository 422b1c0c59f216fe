"""An ONNX graph behind the interface of a network. It runs in a process of its own: `models_store.onnx_child`."""

import math
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models_store import onnx_child
from models_store.estimators.base import LEAST_PROBABLE

SECONDS = 60
"""The most seconds for the check of a graph, and for the answer to one part of the items."""
MEMORY_BYTES = 4 << 30
"""The most memory of the process, beside twice the graph's bytes."""
MOST_ITEMS = 256
MOST_NUMBERS = 1 << 21
"""The most items, and the most numbers of their inputs, in one part."""
MOST_DIM = 1 << 16
"""The most numbers of an item's embedding."""
MOST_ANSWER = 1 << 30
"""The most bytes of the answer for one part."""
NEAR = 1e-3
"""The tolerance for probabilities: their sum, and the ends of their range."""
PROBABILITIES, EMBEDDINGS = "probabilities", "embeddings"
TYPES: dict[str, Any] = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}

# Nothing of the server's environment, which has its secrets. One arena of the allocator, and one thread of OpenBLAS:
# each further one would reserve tens of megabytes of the process's memory limit.
_COMMAND = (
    *("/usr/bin/env", "-i", "MALLOC_ARENA_MAX=1", "OPENBLAS_NUM_THREADS=1"),
    *(sys.executable, "-I", onnx_child.__file__),
)


class GraphError(ValueError):
    """A graph is not accepted or cannot be run. The message names the cause, and says what to do."""


@dataclass(frozen=True)
class GraphConfig:
    """`columns`: for each class, its column among the graph's probabilities; -1 if the graph does not know the class.
    `known`: the number of these columns. `softmax`: whether the probabilities are one distribution over the classes,
    or one of yes and no for each class.
    """

    columns: tuple[int, ...]
    known: int
    softmax: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))  # JSON has no tuples


class Graph(nn.Module):
    """A network around a graph: (m, *input_shape) inputs -> (m, d) embeddings and (m, n_classes) logits.

    The graph's single input is the features, flat or in the shape of the encoder. Its output `probabilities` is
    (m, known); its output `embeddings` is (m, d). Without it, the features are the embeddings. Raises `GraphError`.
    """

    def __init__(self, config: GraphConfig) -> None:
        super().__init__()
        self.config = config
        self.content = b""
        self._running: Running | None = None

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = inputs.numpy()
        part = min(max(1, MOST_NUMBERS // max(1, features[0].size)), MOST_ITEMS) if len(features) else 1
        parts = [self._part(features[start : start + part]) for start in range(0, len(features), part)]
        embeddings, probabilities = (np.concatenate(each) for each in zip(*parts, strict=True))
        columns = np.array(self.config.columns)
        p = np.where(columns >= 0, probabilities[:, columns], 0)
        sure = torch.from_numpy(p.astype(np.float32)).clamp(LEAST_PROBABLE, 1 - LEAST_PROBABLE)
        return torch.from_numpy(embeddings), sure.log() if self.config.softmax else torch.logit(sure)

    def _part(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        running = self.running()
        p, *rest = running.run(features)
        if p.shape != (len(features), self.config.known):
            raise GraphError(
                f"The graph's output {PROBABILITIES!r} has the shape {p.shape} for {len(features)} items, and not "
                f"({len(features)}, {self.config.known}): one column for each class of the manifest."
            )
        if not (np.isfinite(p).all() and p.min() >= -NEAR and p.max() <= 1 + NEAR):
            raise GraphError(
                f"The graph's output {PROBABILITIES!r} holds {_odd(p)}, which is no probability: it needs a softmax or "
                "a sigmoid as its last step, and finite weights."
            )
        if self.config.softmax and not np.allclose(p.sum(axis=1), 1, atol=NEAR):
            raise GraphError(
                f"The graph's {PROBABILITIES} of an item add up to {p.sum(axis=1).min():.4g}, and not to 1."
            )
        embeddings = rest[0] if rest else features.reshape(len(features), -1)
        if embeddings.ndim != 2 or len(embeddings) != len(features) or not 1 <= embeddings.shape[1] <= MOST_DIM:
            raise GraphError(
                f"The graph's output {EMBEDDINGS!r} has the shape {embeddings.shape} for {len(features)} items, and "
                f"not ({len(features)}, d) with d up to {MOST_DIM:,}."
            )
        if not np.isfinite(embeddings).all():
            raise GraphError(f"The graph's output {EMBEDDINGS!r} holds numbers that are not finite.")
        return np.array(embeddings, np.float32), p

    def running(self) -> "Running":
        """Return the process that runs the graph; it starts with the first call, and ends with this object."""
        if self._running is None or not self._running.alive:
            self._running = Running(self.content)
        return self._running

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_running": None}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        return {"graph": torch.frombuffer(bytearray(self.content), dtype=torch.uint8)}

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        self.content = state_dict["graph"].numpy().tobytes()


def _odd(values: np.ndarray) -> str:
    wrong = values[~(np.isfinite(values) & (values >= -NEAR) & (values <= 1 + NEAR))]
    return f"{wrong.flat[0]:.4g}"


class Running:
    """A process with a graph, which ends with this object. `metadata`: the texts in the graph's file."""

    def __init__(self, content: bytes) -> None:
        self._started_by = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603  a fixed command
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        weakref.finalize(self, _kill, self._process)
        limits = {"threads": torch.get_num_threads(), "memory": MEMORY_BYTES + 2 * len(content), "seconds": SECONDS}
        facts, _ = self._ask(limits, content)
        self.metadata: dict[str, str] = facts["metadata"]
        self._outputs = _outputs_of(facts["outputs"])
        self._dtype, self._shape = _input_of(facts["inputs"])

    @property
    def alive(self) -> bool:
        """Whether it can answer. After a fork it cannot: it is the process of the parent."""
        return self._started_by == os.getpid() and self._process.poll() is None

    def run(self, features: np.ndarray) -> list[np.ndarray]:
        """Return the graph's probabilities, and its embeddings if it has any, for features (m, *shape)."""
        taken = features if features.ndim == len(self._shape) else features.reshape(len(features), -1)
        if taken.ndim != len(self._shape) or not all(map(_fits, self._shape[1:], taken.shape[1:])):
            raise GraphError(
                f"The graph takes inputs of the shape {_sides(self._shape)}, but the features of items have the shape "
                f"{_sides(['n', *features.shape[1:]])}."
            )
        taken = np.ascontiguousarray(taken, self._dtype)
        head = {"dtype": taken.dtype.str, "shape": taken.shape, "outputs": self._outputs}
        answer, body = self._ask(head, taken.tobytes())
        return _arrays(answer["arrays"], body)

    def _ask(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            onnx_child.send(self._process.stdin, head, body)
            answer, content = onnx_child.receive(self._process.stdout, most=MOST_ANSWER)
        except (BrokenPipeError, EOFError) as error:
            with suppress(subprocess.TimeoutExpired):  # if it is ending by itself, its own status tells why
                self._process.wait(1)
            raise GraphError(_ending(_kill(self._process))) from error
        if "missing" in answer:
            raise GraphError(
                f"ONNX graphs cannot be run here: {answer['missing']} is not installed. Install it with: "
                "scripts/setup.sh requirements-onnx.txt"
            )
        if "error" in answer:
            raise GraphError(answer["error"])
        return answer, content


def _kill(process: subprocess.Popen[bytes]) -> int:
    """End the process, if it still runs, and return its exit status."""
    process.kill()
    with suppress(BrokenPipeError):
        process.communicate()
    return process.wait()


def _ending(status: int) -> str:
    if status == -signal.SIGALRM:
        return f"The graph did not answer within {SECONDS} seconds: it does not end, or is too large for this server."
    return (
        f"The graph's process ended without an answer (status {status}): it needs more than {MEMORY_BYTES >> 30} GiB "
        "of memory, or it makes the runtime fail."
    )


def _input_of(inputs: list[dict[str, Any]]) -> tuple[Any, list[Any]]:
    """Return the type and the shape of the graph's single input."""
    if len(inputs) != 1:
        named = ", ".join(each["name"] for each in inputs) or "none"
        raise GraphError(f"The graph has {len(inputs)} inputs ({named}), and not one: the features of the items.")
    [taken] = inputs
    if taken["type"] not in TYPES:
        raise GraphError(
            f"The graph's input {taken['name']!r} is a {taken['type']}, and not one of {', '.join(TYPES)}."
        )
    shape = taken["shape"]
    if not shape or isinstance(shape[0], int):
        raise GraphError(
            f"The graph's input {taken['name']!r} has the shape {_sides(shape)}: its first side must be any number of "
            "items. Export the graph with a dynamic first dimension."
        )
    return TYPES[taken["type"]], shape


def _outputs_of(outputs: list[dict[str, Any]]) -> list[str]:
    """Return the names of the outputs to ask for."""
    types = {each["name"]: each["type"] for each in outputs}
    if PROBABILITIES not in types:
        named = ", ".join(map(repr, types)) or "none"
        raise GraphError(
            f"The graph has no output {PROBABILITIES!r}, but {named}: name the output with a probability for each "
            f"class {PROBABILITIES!r}."
        )
    names = [name for name in (PROBABILITIES, EMBEDDINGS) if name in types]
    for name in names:
        if types[name] not in TYPES:
            raise GraphError(
                f"The graph's output {name!r} is a {types[name]}, and not an array of floats. skl2onnx: convert with "
                "the option zipmap=False."
            )
    return names


def _arrays(described: list[dict[str, Any]], body: bytes) -> list[np.ndarray]:
    arrays, start = [], 0
    for each in described:
        dtype, shape = np.dtype(each["dtype"]), tuple(each["shape"])
        count = math.prod(shape)
        arrays.append(np.frombuffer(body, dtype, count, start).reshape(shape))
        start += count * dtype.itemsize
    return arrays


def _fits(side: int | str | None, length: int) -> bool:
    return not isinstance(side, int) or side == length


def _sides(shape: Sequence[int | str | None]) -> str:
    return f"({', '.join(str(side if isinstance(side, int) else 'n') for side in shape)})"
