"""Run an untrusted ONNX graph. `models_store.networks.graph` starts this file as a process of its own.

A graph can loop without end or take all memory, and its bytes may aim at a defect of the runtime. So the process limits
its memory, and its time for each message. A message, both ways, is the length of its head (4 bytes), the length of its
body (8 bytes), the head (a JSON object) and the body:

    first       {"threads", "memory" in bytes, "seconds"}; body: the graph
    answer      {"inputs", "outputs": [{"name", "type", "shape"}, ...], "metadata"}
    then        {"dtype", "shape"}; body: the input of some items
    answer      {"arrays": [{"dtype", "shape"}, ...]}, one for each requested output; body: their bytes

The last answer may be {"error": one line}, or {"missing": the package that is not installed}. A process that ends
without an answer ran out of memory or time.
"""

import json
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import IO, Any

HEAD = struct.Struct(">IQ")
MOST_HEAD = 1 << 26
OPERATORS = {"", "ai.onnx", "ai.onnx.ml"}
"""The operator sets of the standard: no operators of a vendor, or of the graph's author."""


class BadGraph(ValueError):
    """The graph is not accepted; "The graph" and the message say why."""


def send(stream: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    written = json.dumps(head).encode()
    stream.write(HEAD.pack(len(written), len(body)) + written)
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes], *, most: int) -> tuple[dict[str, Any], bytes]:
    """Return the head and the body of a message. Raises EOFError if it is not whole, or its body exceeds `most`."""
    head_bytes, body_bytes = HEAD.unpack(_read_exactly(stream, HEAD.size))
    if head_bytes > MOST_HEAD or body_bytes > most:
        raise EOFError
    head = json.loads(_read_exactly(stream, head_bytes))
    return head, _read_exactly(stream, body_bytes)


def _read_exactly(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def checked(content: bytes) -> Any:
    """Return the parsed graph. Raises `BadGraph` if it is none, or needs other files or other operators."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise BadGraph("is no ONNX graph") from error
    if not model.graph.node:
        raise BadGraph("is no ONNX graph")
    own = {(function.domain, function.name) for function in model.functions}
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto) and (message.external_data or message.data_location):
            raise BadGraph(f"keeps {message.name[:100]!r} in another file: save the weights inside the graph")
        if isinstance(message, onnx.NodeProto) and message.domain not in OPERATORS:
            operator = (message.domain, message.op_type)
            if operator not in own:
                raise BadGraph(f"uses {'.'.join(operator)[:120]}: only the standard operators of ONNX are run")
    return model


def _messages(message: Any) -> Any:
    """Yield all messages within a message."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield each
                yield from _messages(each)


def _session(content: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # the most memory, and not the speed, is what matters here
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _described(values: Any) -> list[dict[str, Any]]:
    return [{"name": each.name, "type": each.type, "shape": list(each.shape)} for each in values]


def _reply(error: BaseException) -> dict[str, str | None]:
    """Return the answer that names the error."""
    if isinstance(error, ImportError):
        return {"missing": error.name}
    if isinstance(error, BadGraph):
        return {"error": f"The graph {error}."}
    line = next(iter(str(error).splitlines()), "")[:300] or type(error).__name__
    return {"error": f"The graph cannot be run: {line}"}


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    import numpy as np

    limits, content = receive(requests, most=sys.maxsize)
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process
    signal.alarm(limits["seconds"])
    metadata = {each.key: each.value for each in checked(content).metadata_props}
    session = _session(content, limits["threads"])
    signal.alarm(0)
    inputs, outputs = _described(session.get_inputs()), _described(session.get_outputs())
    send(answers, {"inputs": inputs, "outputs": outputs, "metadata": metadata})
    while True:
        head, body = receive(requests, most=sys.maxsize)
        signal.alarm(limits["seconds"])
        taken = np.frombuffer(body, head["dtype"]).reshape(head["shape"])
        arrays = [np.ascontiguousarray(each) for each in session.run(head["outputs"], {inputs[0]["name"]: taken})]
        signal.alarm(0)
        described = [{"dtype": each.dtype.str, "shape": each.shape} for each in arrays]
        send(answers, {"arrays": described}, b"".join(each.tobytes() for each in arrays))


if __name__ == "__main__":
    to_parent = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the runtime prints must not get between the answers
    # The runtime raises many kinds of exceptions. Each is the last answer: then the process ends.
    sys.excepthook = lambda kind, error, trace: send(to_parent, _reply(error))
    with suppress(EOFError, BrokenPipeError):
        _serve(sys.stdin.buffer, to_parent)
