"""Features -> a short binary code: what was learned, and the ONNX graph that says the same.

``features`` float32 [N, units] -> ``code`` uint8 [N, bits / 8].  N is free.  Bit ``i`` of byte
``j`` says whether unit ``8 j + i`` of the last layer is above zero.  The operators are among those
that the server lets a model's own graph have (``alexnet_repository.graph_check``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

_OPSET = 17  # the same as the network's graphs
_IR_VERSION = 9
# Under the root where a vector is divided by its length, so that zeros stay zeros.
_SMALL = np.float32(1e-12)
# 128 of 4096 units at a time are 2 MB: what is computed from them stays in the cache.
_ROWS = 128
_BYTE = 8  # bits

Values = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layer:
    """Sums of what is below: ``weight`` float32 [above, below], ``bias`` float32 [above]."""

    weight: Values
    bias: Values


@dataclass(frozen=True)
class Encoder:
    """Layers with ReLU between them; a bit is set where a unit of the last is above zero.

    ``method`` says how it was learned.  With the metric ``cosine`` features are divided by their
    length first.
    """

    method: str
    metric: str
    layers: tuple[Layer, ...]

    @property
    def units(self) -> int:
        """How many features it reads."""
        return int(self.layers[0].weight.shape[1])

    @property
    def bits(self) -> int:
        """How many bits it gives."""
        return int(self.layers[-1].weight.shape[0])

    def encode(self, features: Values) -> Codes:
        """``features`` float32 [n, units] -> uint8 [n, bits / 8], a piece at a time."""
        codes = np.empty((len(features), self.bits // _BYTE), dtype=np.uint8)
        for start in range(0, len(features), _ROWS):
            rows = slice(start, start + _ROWS)
            bits = self.sums(features[rows]) > 0  # [rows, bits]
            codes[rows] = np.packbits(bits, axis=1, bitorder="little")
        return codes

    def sums(self, features: Values) -> Values:
        """What the last layer's units are, float32 [n, bits]."""
        value = in_metric(features, self.metric)
        for layer in self.layers[:-1]:
            value = np.maximum(value @ layer.weight.T + layer.bias, 0)
        last: Values = value @ self.layers[-1].weight.T + self.layers[-1].bias
        return last


def in_metric(features: Values, metric: str) -> Values:
    """Features, float32 [n, units], as their Euclidean distance is the one of the ``metric``."""
    if metric == "l2":
        return features
    lengths = np.sqrt((features * features).sum(axis=1, keepdims=True) + _SMALL)
    directions: Values = features / lengths
    return directions


def code_graph(encoder: Encoder, notes: Mapping[str, str]) -> onnx.ModelProto:
    """The encoder as a graph; ``notes`` are kept in its metadata."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: Values) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(operator: str, inputs: list[str], output: str, **attributes: int) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    value = "features"
    if encoder.metric == "cosine":
        squares = node("Mul", [value, value], "squares")
        ones = constant("ones", np.ones((encoder.units, 1), np.float32))
        small = constant("small", np.array([_SMALL]))
        lengths = node("Sqrt", [node("Gemm", [squares, ones, small], "squared")], "lengths")
        value = node("Div", [value, lengths], "directions")
    for number, layer in enumerate(encoder.layers, 1):
        weight = constant(f"layer{number}_weight", layer.weight)
        bias = constant(f"layer{number}_bias", layer.bias)
        sums = node("Gemm", [value, weight, bias], f"layer{number}_sums", transB=1)
        value = node("Relu", [sums], f"layer{number}_units")
    # Above zero is true, and true is one; the powers of two then add up to bytes.
    above = node("Cast", [value], "above", to=TensorProto.BOOL)
    bits = node("Cast", [above], "bits", to=TensorProto.FLOAT)
    bytes_ = node("Gemm", [bits, constant("places", _places(encoder.bits))], "bytes")
    node("Cast", [bytes_], "code", to=TensorProto.UINT8)
    return _model(encoder, nodes, constants, notes)


def _places(bits: int) -> Values:
    """Where bits go, float32 [bits, bits / 8]: bit ``i`` is worth ``2 ** (i % 8)`` in its byte."""
    at = np.arange(bits)
    places = np.zeros((bits, bits // _BYTE), dtype=np.float32)
    places[at, at // _BYTE] = 2.0 ** (at % _BYTE)
    return places


def _model(
    encoder: Encoder,
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    notes: Mapping[str, str],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "codes",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", encoder.units])],
        [helper.make_tensor_value_info("code", TensorProto.UINT8, ["N", encoder.bits // _BYTE])],
        constants,
    )
    model = helper.make_model(
        graph,
        producer_name="alexnet-training",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, dict(notes))
    onnx.checker.check_model(model)
    return model
