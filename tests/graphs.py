"""ONNX graphs and archives with models, whole and broken."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

SOFTMAX = [("MatMul", ["features", "w"], ["logits"]), ("Softmax", ["logits"], ["probabilities"])]


def linear_graph(weights: np.ndarray, steps: Sequence[Any] = SOFTMAX, **changes: Any) -> bytes:
    """Return the graph softmax(features @ weights), or another one with these steps: nodes, or their arguments."""
    dim, k = weights.shape
    nodes = [step if isinstance(step, NodeProto) else helper.make_node(*step) for step in steps]
    takes = {"features": ["n", dim], **changes.get("takes", {})}
    gives = changes.get("gives", {"probabilities": ["n", k]})
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in takes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in gives.items()],
        [numpy_helper.from_array(weights.astype(np.float32), "w"), *changes.get("more", [])],
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(name, 1) for name in changes.get("opsets", []))]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9)
    return bytes(model.SerializeToString())


def endless_graph(weights: np.ndarray) -> bytes:
    """Return a graph with a loop whose condition stays true."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    true = numpy_helper.from_array(np.array(True), "true")
    loop = helper.make_node("Loop", ["", "true", "logits"], ["looped"], body=body)
    return linear_graph(weights, [SOFTMAX[0], loop, ("Softmax", ["looped"], ["probabilities"])], more=[true])


def hungry_graph(weights: np.ndarray) -> bytes:
    """Return a graph that asks for 64 GB."""
    shape = numpy_helper.from_array(np.array([1 << 34, 1], np.int64), "shape")
    zero = numpy_helper.from_array(np.zeros((1, 1), np.float32), "zero")
    steps = [
        SOFTMAX[0],
        ("Expand", ["zero", "shape"], ["large"]),
        ("ReduceSum", ["large"], ["sum"]),
        ("Add", ["logits", "sum"], ["more"]),
        ("Softmax", ["more"], ["probabilities"]),
    ]
    return linear_graph(weights, steps, more=[shape, zero])


def packed(content: bytes, facts: Mapping[str, Any], *, name: str = "model.onnx", **changes: Any) -> bytes:
    """Return a zip of a model and its manifest."""
    return zipped({name: content, "manifest.json": json.dumps({"format_version": 1, **facts, **changes}).encode()})


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
