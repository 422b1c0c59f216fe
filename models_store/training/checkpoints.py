"""Checkpoints of a training: tensors and a few numbers in one safetensors file, replaced in one step.

If a file is missing, damaged or of another training, the training starts over.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

BLOCK_ROWS = 4096


def fingerprint(features: np.ndarray, *parts: Any) -> str:
    """Return the SHA-256, in hex, of all that a training depends on.

    Parameters
    ----------
    features : ndarray of shape (n, dim)
        Read block by block.
    *parts
        Arrays and tensors by their content, all else by its `repr`.
    """
    sha = hashlib.sha256(f"{features.dtype} {features.shape}".encode())
    for start in range(0, len(features), BLOCK_ROWS):
        sha.update(np.ascontiguousarray(features[start : start + BLOCK_ROWS]).data)
    for part in parts:
        array = part.numpy() if isinstance(part, Tensor) else part
        sha.update(np.ascontiguousarray(array).data if isinstance(array, np.ndarray) else repr(array).encode())
    return sha.hexdigest()


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Replace the checkpoint. The earlier one stays whole until the new one is on disk."""
    whole, text = {name: tensor.contiguous() for name, tensor in tensors.items()}, json.dumps(state)
    content = save(whole, {"state": text, "sum": str(_sum(whole, text))})
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if path.is_dir():  # somebody put it where the file belongs
        path.rename(path.with_name(f"{path.name}.found"))
    partial.replace(path)


def read_checkpoint(path: Path, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return tensors and state of the training with this fingerprint; None if the file holds no whole checkpoint of
    it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            text = metadata.get("state", "{}")
            state: dict[str, Any] = json.loads(text)
            if state.get("fingerprint") != fingerprint:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            return (tensors, state) if str(_sum(tensors, text)) == metadata.get("sum") else None
    except (OSError, ValueError, SafetensorError):
        return None


def _sum(tensors: Mapping[str, Tensor], state: str) -> int:
    """Return the CRC-32 over state, names and tensors: without it, a changed bit would stay in the network."""
    crc32 = zlib.crc32(state.encode())
    for name in sorted(tensors):
        numbers = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        crc32 = zlib.crc32(numbers.data, zlib.crc32(name.encode(), crc32))
    return crc32


def optimiser_tensors(optimiser: Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state of each parameter, by number and name."""
    return {
        f"optimiser.{number}.{name}": value
        for number, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }


def restore_optimiser(optimiser: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load the tensors of `optimiser_tensors`. The optimiser keeps its settings."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".")
            state.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def of_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with the prefix, named without it."""
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
