"""ONNX nodes of one graph: each layer of the table as operators that run fast on CPU and GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.layers import Convolution, FullyConnected, Layer, Norm

LOGITS = "logits"


def layer_output(layer: Layer) -> str:
    """The name, in every layout, of the value that a layer gives to the next."""
    if isinstance(layer, FullyConnected):
        return f"{layer.name}_units"
    if layer.pool is not None:
        return f"{layer.name}_pooled"
    return f"{layer.name}_maps" if layer.norm is None else f"{layer.name}_normed"


def layer_input(layer: FullyConnected) -> str:
    """The name of the units that a fully connected layer reads: those below, in one row."""
    return f"{layer.name}_inputs"


def norm_denominator(layer: Convolution) -> str:
    """The name of the window sum inside a layer's norm, which is written as a convolution."""
    return f"{layer.name}_denominator"


class NodeWriter:
    """Collects nodes and weights for one graph.

    ``tower`` None writes both towers together (local layers as grouped convolutions); a number
    writes that tower alone, from its rows of every weight.  ``half`` writes weights and maps as
    float16.  Methods take and return value names; a value has one name in every layout, so that
    what is known of it in one (its range) holds in the others.
    """

    def __init__(self, checkpoint: Checkpoint, tower: int | None, *, half: bool = False) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._checkpoint = checkpoint
        self._towers = checkpoint.dialect.towers
        self._tower = tower
        self._half = half

    def normalized(self, images: str) -> str:
        """``images`` uint8 [N, 224, 224, 3] -> mean-free [N, 3, 224, 224].

        The mean is taken off in float32; the scale is folded into conv1's weights.
        """
        pixels = self._cast(images, "pixels", TensorProto.FLOAT)
        mean = self._constant("mean", self._checkpoint.mean)
        centred = self._node("Sub", [pixels, mean], "centred")
        if self._half:
            centred = self._cast(centred, "centred_half", TensorProto.FLOAT16)
        return self._node("Transpose", [centred], "planes", perm=[0, 3, 1, 2])

    def both(self, parts: list[str], layer: Layer) -> str:
        """What ``layer`` gave in all towers, side by side: the exchange."""
        return self._node("Concat", parts, layer_output(layer), axis=1)

    def layer(self, layer: Layer, value: str) -> str:
        """One layer of the table with everything behind it."""
        if isinstance(layer, FullyConnected):
            return self._fully_connected(layer, value)
        value = self.convolution(layer, value)
        if layer.norm is not None:
            value = self._local_response_norm(layer, layer.norm, value)
        if layer.pool is not None:
            sides = [layer.pool.kernel] * 2
            strides = [layer.pool.stride] * 2
            value = self._node(
                "MaxPool", [value], layer_output(layer), kernel_shape=sides, strides=strides
            )
        return value

    def convolution(self, layer: Convolution, value: str) -> str:
        """Convolution and ReLU."""
        first = layer is self._checkpoint.dialect.convolutions[0]
        scale = self._checkpoint.scale if first else 1.0
        grouped = self._tower is None and layer.connection == "local"
        weight, bias = self._weights(layer.name, scale)
        sums = self._node(
            "Conv",
            [value, weight, bias],
            f"{layer.name}_sums",
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=list(layer.padding),
            group=self._towers if grouped else 1,
        )
        return self._node("Relu", [sums], f"{layer.name}_maps")

    def answers(self, units: str, features: str, probabilities: str) -> None:
        """The last hidden layer's units -> ``features`` and the classifier's softmax, float32."""
        weight, bias = self._weights(self._checkpoint.dialect.classifier)
        logits = self._node("Gemm", [units, weight, bias], LOGITS, transB=1)
        if self._half:
            logits = self._cast(logits, f"{LOGITS}_whole", TensorProto.FLOAT)
            self._cast(units, features, TensorProto.FLOAT)
        else:
            self.output(units, features)
        self._node("Softmax", [logits], probabilities, axis=1)

    def output(self, value: str, name: str) -> None:
        """Give ``value`` out under a port's name (ONNX Runtime drops the node at load)."""
        self._node("Identity", [value], name)

    def _fully_connected(self, layer: FullyConnected, value: str) -> str:
        flat = self._node("Flatten", [value], layer_input(layer))  # channel-major: c, y, x
        weight, bias = self._weights(layer.name)
        sums = self._node("Gemm", [flat, weight, bias], f"{layer.name}_sums", transB=1)
        return self._node("Relu", [sums], layer_output(layer))

    def _local_response_norm(self, layer: Convolution, norm: Norm, value: str) -> str:
        # ONNX's own LRN takes 43 % of the time of the whole network in ONNX Runtime; the window
        # sum as a 1x1 convolution with a band matrix and d**.75 = sqrt(d) * sqrt(sqrt(d)) do not.
        if norm.beta != 0.75:
            raise ValueError(f"{layer.name}: only beta 0.75 is written, not {norm.beta}")
        if self._half:  # the square of a map passes 65504, float16's last, where pixels are 0..255
            value = self._cast(value, f"{layer.name}_maps_whole", TensorProto.FLOAT)
        width = layer.channels // self._towers
        groups = self._towers if self._tower is None else 1
        apart = np.abs(np.arange(width)[:, None] - np.arange(width)[None, :])
        band = np.where(apart <= norm.size // 2, norm.alpha / norm.size, 0).astype(np.float32)
        weight = np.tile(band[:, :, None, None], (groups, 1, 1, 1))  # [channels, width, 1, 1]
        squares = self._node("Mul", [value, value], f"{layer.name}_squares")
        denominator = self._node(
            "Conv",
            [
                squares,
                self._constant(f"{layer.name}_window", weight),
                self._constant(f"{layer.name}_k", np.full(len(weight), norm.k, np.float32)),
            ],
            norm_denominator(layer),
            kernel_shape=[1, 1],
            group=groups,
        )
        root = self._node("Sqrt", [denominator], f"{layer.name}_root")
        fourth_root = self._node("Sqrt", [root], f"{layer.name}_fourth_root")
        power = self._node("Mul", [root, fourth_root], f"{layer.name}_power")
        normed = self._node("Div", [value, power], f"{layer.name}_normed")
        if self._half:
            return self._cast(normed, f"{layer.name}_normed_half", TensorProto.FLOAT16)
        return normed

    def _weights(self, layer: str, scale: float = 1.0) -> tuple[str, str]:
        tensors = self._checkpoint.tensors
        weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
        if self._tower is not None:
            rows = len(bias) // self._towers
            own = slice(self._tower * rows, (self._tower + 1) * rows)
            weight, bias = weight[own], bias[own]
        return (
            self._constant(f"{layer}_weight", self._rounded(weight * np.float32(scale))),
            self._constant(f"{layer}_bias", self._rounded(bias)),
        )

    def _rounded(self, value: npt.NDArray[np.float32]) -> npt.NDArray[np.floating[Any]]:
        if not self._half:
            return value
        with np.errstate(over="ignore"):  # infinite weights give a loss that is refused
            return value.astype(np.float16)

    def _cast(self, value: str, output: str, dtype: int) -> str:
        return self._node("Cast", [value], output, to=dtype)

    def _constant(self, name: str, value: npt.NDArray[np.floating[Any]]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output
