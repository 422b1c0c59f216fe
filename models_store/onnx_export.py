"""Export a model as an ONNX graph, to run it without this package. Needs `onnx` and `onnxscript`."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models_store.model import Model
from models_store.networks import Graph


class OnnxMissing(ImportError):
    """The packages that write ONNX are not installed; the message says how to install them."""


class _Probabilities(nn.Module):
    """Features -> (probabilities, embeddings): scaling, network, calibration, softmax or sigmoid."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network, self.calibration = model.network, model.calibration
        self.one_of_many = model.asks.softmax

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        embeddings, logits = self.network(features)
        if self.calibration is not None:
            logits = self.calibration.of(logits)
        return logits.softmax(dim=1) if self.one_of_many else logits.sigmoid(), embeddings


def to_onnx(model: Model, *, dtype: np.dtype[Any], metadata: Mapping[str, Any]) -> bytes:
    """Return the graph: features (n, *input_shape) -> probabilities (n, n_classes) and embeddings (n, d), float32, for
    any n.

    For "verify" and "multi", each class's probability is that of yes.

    A registered graph stays as it is, with its own inputs and its own order of the classes.

    Parameters
    ----------
    model : Model
    dtype : dtype
        Of the features: uint8 or float32.
    metadata : mapping
        Facts to keep in the file: texts as they are, other values as JSON.

    Raises
    ------
    OnnxMissing
        If a package is missing.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch's exporter loads it, and tells less clearly if it is not there
    except ImportError as error:
        raise OnnxMissing(
            f"ONNX cannot be written: {error.name} is not installed. "
            "Install it with: scripts/setup.sh requirements-export.txt"
        ) from error
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
    if isinstance(model.network, Graph):
        return _with_texts(model.network, texts)
    # Two rows: the exporter treats a dimension of one as a constant.
    example = torch.zeros((2, *model.input_shape), dtype=torch.uint8 if dtype == np.uint8 else torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making
        program = torch.onnx.export(
            _Probabilities(model).eval(),
            (example,),
            dynamo=True,
            input_names=["features"],
            output_names=["probabilities", "embeddings"],
            dynamic_shapes={"features": {0: torch.export.Dim("n")}},
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    onnx.helper.set_model_props(graph, texts)
    content: bytes = graph.SerializeToString()
    return content


def _with_texts(network: Graph, texts: Mapping[str, str]) -> bytes:
    """Return a registered graph with further metadata, and `classes` in the order of its columns."""
    import onnx

    names = dict(zip(network.config.columns, json.loads(texts["classes"]), strict=True))
    classes = json.dumps([names[column] for column in range(network.config.known)])
    more = onnx.ModelProto()
    onnx.helper.set_model_props(more, {**texts, "classes": classes})
    # Bytes that are appended join the graph's metadata, and take the place of equal names: nothing untrusted is parsed.
    return network.content + bytes(more.SerializeToString())
