"""Networks by name. Each is one file: a frozen config dataclass and a module.

`forward(x)` takes (m, *input_shape) features and gives (embedding (m, d), logits (m, K)); the embedding is the
penultimate layer. No batch norm anywhere: a row's result must not depend on the other rows, which training with
differential privacy needs too.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import nn

from models_store.networks.adapter import Adapter, AdapterConfig
from models_store.networks.calibration import Adaptive, CalibrationLayer
from models_store.networks.convnet import ConvNet, ConvNetConfig
from models_store.networks.edges import Edges, EdgesConfig
from models_store.networks.graph import Graph, GraphConfig, GraphError
from models_store.networks.mlp import Mlp, MlpConfig
from models_store.networks.tuned import Tuned, TunedConfig
from models_store.networks.tuned_language import TunedLanguage, TunedLanguageConfig
from models_store.networks.tuned_transformer import TunedTransformer, TunedTransformerConfig

__all__ = [
    "NETWORKS",
    "Adaptive",
    "CalibrationLayer",
    "ConvNet",
    "ConvNetConfig",
    "Edges",
    "EdgesConfig",
    "Graph",
    "GraphConfig",
    "GraphError",
    "Mlp",
    "MlpConfig",
    "Tuned",
    "TunedConfig",
    "TunedLanguage",
    "TunedLanguageConfig",
    "TunedTransformer",
    "TunedTransformerConfig",
    "build",
    "describe",
    "for_shape",
    "skeleton",
]

NETWORKS: dict[str, tuple[type[nn.Module], type[Any]]] = {
    "convnet": (ConvNet, ConvNetConfig),
    "estimator": (Adapter, AdapterConfig),
    "edges": (Edges, EdgesConfig),
    "mlp": (Mlp, MlpConfig),
    "onnx": (Graph, GraphConfig),
    "tuned": (Tuned, TunedConfig),
    "tuned-language": (TunedLanguage, TunedLanguageConfig),
    "tuned-transformer": (TunedTransformer, TunedTransformerConfig),
}


def for_shape(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Return an untrained network for features of this shape. Raises ValueError if no network takes it."""
    if n_classes < 1:
        raise ValueError("a network needs at least one class")
    if len(input_shape) == 3:
        return ConvNet(ConvNetConfig(input_shape=input_shape, n_classes=n_classes))
    if len(input_shape) == 1:
        return Mlp(MlpConfig(n_inputs=input_shape[0], n_classes=n_classes))
    raise ValueError(f"no network takes features of the shape {input_shape}")


def describe(network: nn.Module) -> dict[str, Any]:
    """Name and config as JSON, from which `build` makes the same untrained network."""
    name = next(name for name, (module, _) in NETWORKS.items() if type(network) is module)
    return {"name": name, "config": asdict(cast(Any, network.config))}


def skeleton(description: Mapping[str, Any]) -> nn.Module:
    """Build the network as `build` does, but without weights (on "meta"), for weights that are assigned next."""
    # Networks of other libraries compute constants as they are built, which "meta" would leave without values.
    with torch.device("cpu" if description["name"] in ("tuned", "tuned-transformer", "estimator") else "meta"):
        return build(description)


def build(description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained network of a description. Raises KeyError, TypeError or ValueError for a wrong
    description.
    """
    module, config = NETWORKS[description["name"]]
    return module(config(**description["config"]))
