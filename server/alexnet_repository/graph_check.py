"""A look into a graph file before any runtime loads it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import onnx
from google.protobuf.message import DecodeError

from alexnet_repository.errors import UnsafeGraph

# fc6 of one tower in fp32 is 75 MB, the whole network 233 MB.
MAX_GRAPH_BYTES = 300 * 1024 * 1024
# What the export writes, and nothing else: no control flow, no functions, no custom domains.
OPERATORS = frozenset(
    {
        *("Cast", "Sub", "Transpose", "Concat", "Identity", "Flatten"),
        *("Conv", "Relu", "Tanh", "MaxPool", "Gemm", "Softmax"),
        *("Add", "Mul", "Sqrt", "Div"),
        *("QuantizeLinear", "DequantizeLinear"),
    }
)
_TENSORS = (onnx.AttributeProto.TENSOR, onnx.AttributeProto.TENSORS)
_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


# A port's ONNX data type and its dimensions after N.
Port = tuple[int, tuple[int, ...]]


class Ports(NamedTuple):
    """What a graph reads and gives, by name."""

    inputs: dict[str, Port]
    outputs: dict[str, Port]


def require_safe(path: Path, name: str) -> Ports:
    """The ports of the graph in ``path``, which is as the export writes them and called ``name``.

    Raises UnsafeGraph on any other file.

    External data lets a graph read other files of the machine (GHSA-538c-55jv-c5g9), and
    ONNX Runtime follows a hard link there, so none is allowed at all.
    """
    if path.stat().st_size > MAX_GRAPH_BYTES:
        raise UnsafeGraph(
            f"{path} has {path.stat().st_size:,} bytes; a graph has at most {MAX_GRAPH_BYTES:,}"
        )
    return require_safe_bytes(path.read_bytes(), name, str(path))


def require_safe_bytes(
    content: bytes, name: str, source: str, remedy: str = "deploy again from the checkpoint"
) -> Ports:
    """``require_safe`` of a file's ``content``, which messages call ``source``."""
    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise UnsafeGraph(f"{source} is not an ONNX file: {error}") from error
    fault = _fault(model)
    if fault:
        raise UnsafeGraph(f"{source} {fault}; {remedy}")
    if model.graph.name != name:
        raise UnsafeGraph(
            f"{source} holds the graph {model.graph.name!r}, not {name!r}: were two models swapped?"
        )
    return Ports(_ports(model.graph.input), _ports(model.graph.output))


def _ports(values: Iterable[onnx.ValueInfoProto]) -> dict[str, Port]:
    # A dimension without a number reads as 0, which no configuration of ours has.
    return {
        value.name: (
            int(value.type.tensor_type.elem_type),
            tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim[1:]),
        )
        for value in values
    }


def _fault(model: onnx.ModelProto) -> str:
    """What the graph holds and should not; empty where there is nothing."""
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        return "has functions, training graphs or sparse weights"
    for tensor in graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            return f"keeps {tensor.name!r} outside the file (external data)"
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            operator = f"{node.domain or 'ai.onnx'}.{node.op_type}"
            return f"uses the operator {operator}, which no graph of ours does"
        if any(attribute.type in (*_TENSORS, *_GRAPHS) for attribute in node.attribute):
            return f"hides a tensor or a graph in the attributes of {node.name!r}"
    return ""
