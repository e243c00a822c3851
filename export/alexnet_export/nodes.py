"""ONNX nodes of one graph: each layer of the table as operators that run fast on CPU and GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from alexnet_export.border import maps_beside, own_rows
from alexnet_export.checkpoint import Checkpoint
from alexnet_export.layers import Convolution, FullyConnected, Layer, Norm, Pool, SpatialNorm
from alexnet_export.stages import Work
from alexnet_export.value_names import (
    border,
    layer_input,
    layer_output,
    norm_denominator,
    picked,
    spatial_denominator,
)

LOGITS = "logits"


class NodeWriter:
    """Collects nodes and weights for one graph.

    ``tower`` None writes both towers together (local layers as grouped convolutions); a number
    writes that tower alone, from its rows of every weight and the few at the border that its norms
    read.  ``half`` writes weights and maps as float16.  Methods take and return value names; a
    value has one name in every layout, so that what is known of it in one (its range) holds in
    the others.
    """

    def __init__(self, checkpoint: Checkpoint, tower: int | None, *, half: bool = False) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._checkpoint = checkpoint
        self._towers = checkpoint.dialect.towers
        self._tower = tower
        self._half = half

    def normalized(self, images: str) -> str:
        """``images`` uint8 [N, side, side, 3] -> mean-free [N, 3, side, side].

        The mean is taken off in float32; the scale is folded into conv1's weights.
        """
        pixels = self._cast(images, "pixels", TensorProto.FLOAT)
        mean = self._constant("mean", self._checkpoint.mean)
        centred = self._node("Sub", [pixels, mean], "centred")
        if self._half:
            centred = self._cast(centred, "centred_half", TensorProto.FLOAT16)
        return self._node("Transpose", [centred], "planes", perm=[0, 3, 1, 2])

    def both(self, parts: list[str], layer: Work) -> str:
        """What the towers gave of ``layer``, side by side: the exchange."""
        return self._node("Concat", parts, layer_output(layer), axis=1)

    def layer(self, layer: Layer, value: str) -> str:
        """One layer of the table with everything behind it.

        Of a full layer whose norm crosses the border, a tower computes the maps beside it as well.
        """
        if isinstance(layer, FullyConnected):
            return self._fully_connected(layer, value)
        maps = self.convolution(layer, value)
        beside = self._beside(layer)
        if not beside:
            return self.behind(layer, maps)
        return self.behind(layer, maps, self._convolved(layer, value, beside, border(layer)))

    def behind(self, layer: Convolution, maps: str, beside: str = "") -> str:
        """Norm and pool of ``maps``; ``beside`` are the other tower's that the norm reads."""
        value = maps
        if layer.norm is not None:
            value = self._local_response_norm(layer, layer.norm, maps, beside)
        if layer.spatial_norm is not None:
            value = self._norm_in_maps(layer, layer.spatial_norm, value)
        if layer.pool is not None:
            value = self._max_pool(layer, layer.pool, value)
        if layer.is_activated_last:
            value = self._activated(value, layer_output(layer))
        return value

    def convolution(self, layer: Convolution, value: str) -> str:
        """Convolution and activation, unless that comes last."""
        return self._convolved(layer, value, self._own_rows(layer.channels), layer.name)

    def first_maps(self, layer: Convolution, value: str) -> str:
        """A convolution's maps after its activation, wherever that stands in the network."""
        maps = self.convolution(layer, value)
        return self._activated(maps, f"{layer.name}_maps") if layer.is_activated_last else maps

    def answers(self, units: str, features: str, probabilities: str) -> None:
        """The last hidden layer's units -> ``features`` and the classifier's softmax, float32."""
        weight, bias = self._weights(
            self._checkpoint.dialect.classifier, range(len(self._checkpoint.classes))
        )
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

    def pick(self, layer: Convolution, maps: str, sent: range) -> str:
        """Of this tower's ``maps`` those ``sent``, counted through both towers, to the other."""
        own = self._own_rows(layer.channels)
        # As a 1x1 convolution, exact with one weight of 1: servers allow no operator that slices.
        one_each = np.equal.outer(np.array(sent), np.array(own)).astype(np.float32)
        weight = self._rounded(one_each[:, :, None, None])  # [sent, own, 1, 1]
        name = self._constant(f"{layer.name}_picks", weight)
        return self._node("Conv", [maps, name], picked(layer), kernel_shape=[1, 1])

    def _fully_connected(self, layer: FullyConnected, value: str) -> str:
        flat = self._node("Flatten", [value], layer_input(layer))  # channel-major: c, y, x
        weight, bias = self._weights(
            layer.name, self._own_rows(layer.units), apart=layer.connection == "local"
        )
        sums = self._node("Gemm", [flat, weight, bias], f"{layer.name}_sums", transB=1)
        return self._activated(sums, layer_output(layer))

    def _activated(self, sums: str, output: str) -> str:
        operator = "Relu" if self._checkpoint.dialect.activation == "relu" else "Tanh"
        return self._node(operator, [sums], output)

    def _max_pool(self, layer: Convolution, pool: Pool, value: str) -> str:
        pads = {"pads": list(pool.padding)} if any(pool.padding) else {}
        sides, strides = [pool.kernel] * 2, [pool.stride] * 2
        output = f"{layer.name}_pooled_sums" if layer.is_activated_last else layer_output(layer)
        return self._node("MaxPool", [value], output, kernel_shape=sides, strides=strides, **pads)

    def _convolved(self, layer: Convolution, value: str, rows: range, name: str) -> str:
        first = layer.name == self._checkpoint.dialect.convolutions[0].name
        scale = self._checkpoint.scale if first else 1.0
        grouped = self._tower is None and layer.connection == "local"
        weight, bias = self._weights(layer.name, rows, name, scale)
        sums = self._node(
            "Conv",
            [value, weight, bias],
            f"{name}_sums",
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=list(layer.padding),
            group=self._towers if grouped else 1,
        )
        return sums if layer.is_activated_last else self._activated(sums, f"{name}_maps")

    def _local_response_norm(
        self, layer: Convolution, norm: Norm, value: str, beside: str = ""
    ) -> str:
        # ONNX's own LRN takes 43 % of the time of the whole network in ONNX Runtime; the window
        # sum as a 1x1 convolution with a band matrix and d**.75 = sqrt(d) * sqrt(sqrt(d)) do not.
        if norm.beta != 0.75:
            raise ValueError(f"{layer.name}: only beta 0.75 is written, not {norm.beta}")
        if self._half:  # the square of a map passes 65504, float16's last, where pixels are 0..255
            value = self._cast(value, f"{layer.name}_maps_whole", TensorProto.FLOAT)
            beside = beside and self._cast(beside, f"{border(layer)}_whole", TensorProto.FLOAT)
        own = near = self._own_rows(layer.channels)
        read = value
        if beside:
            other = self._beside(layer)
            near = range(min(own.start, other.start), max(own.stop, other.stop))
            parts = [value, beside] if own.start < other.start else [beside, value]
            read = self._node("Concat", parts, f"{layer.name}_near", axis=1)
        # Where both towers are here and their norms do not meet, each has a window of its own.
        groups = self._towers if self._tower is None and norm.reach == "tower" else 1
        row, column = (np.array(maps[: len(maps) // groups]) for maps in (own, near))  # one group
        apart = np.abs(row[:, None] - column[None, :])
        band = np.where(apart <= norm.size // 2, norm.alpha / norm.size, 0).astype(np.float32)
        weight = np.tile(band[:, :, None, None], (groups, 1, 1, 1))  # [own, near / groups, 1, 1]
        squares = self._node("Mul", [read, read], f"{layer.name}_squares")
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
        return self._divided(layer.name, value, denominator)

    def _norm_in_maps(self, layer: Convolution, norm: SpatialNorm, value: str) -> str:
        """The norm over a square within each map: its sum is a convolution of each map alone."""
        if norm.beta != 0.75:
            raise ValueError(f"{layer.name}: only beta 0.75 is written, not {norm.beta}")
        name, count = f"{layer.name}_spatial", len(self._own_rows(layer.channels))
        if self._half:
            value = self._cast(value, f"{name}_whole", TensorProto.FLOAT)
        window = np.full((count, 1, norm.size, norm.size), norm.alpha / norm.size**2, np.float32)
        squares = self._node("Mul", [value, value], f"{name}_squares")
        denominator = self._node(
            "Conv",
            [
                squares,
                self._constant(f"{name}_window", window),
                self._constant(f"{name}_k", np.full(count, norm.k, np.float32)),
            ],
            spatial_denominator(layer),
            kernel_shape=[norm.size] * 2,
            pads=[norm.size // 2] * 4,
            group=count,
        )
        return self._divided(name, value, denominator)

    def _divided(self, name: str, value: str, denominator: str) -> str:
        """``value / denominator ** 0.75``."""
        root = self._node("Sqrt", [denominator], f"{name}_root")
        fourth_root = self._node("Sqrt", [root], f"{name}_fourth_root")
        power = self._node("Mul", [root, fourth_root], f"{name}_power")
        normed = self._node("Div", [value, power], f"{name}_normed")
        if self._half:
            return self._cast(normed, f"{name}_normed_half", TensorProto.FLOAT16)
        return normed

    def _own_rows(self, rows: int) -> range:
        """The maps or units of a layer that this graph gives."""
        if self._tower is None:
            return range(rows)
        return own_rows(rows, self._towers, self._tower)

    def _beside(self, layer: Convolution) -> range:
        """The other tower's maps that the norm of this one reads; none in a graph of both."""
        if self._tower is None:
            return range(0)
        return maps_beside(layer, self._towers, self._tower)

    def _weights(
        self, layer: str, rows: range, name: str = "", scale: float = 1.0, *, apart: bool = False
    ) -> tuple[str, str]:
        tensors, some = self._checkpoint.tensors, slice(rows.start, rows.stop)
        weight, bias = tensors[f"{layer}.weight"][some], tensors[f"{layer}.bias"][some]
        if apart and self._tower is None:
            weight = _side_by_side(np.split(weight, self._towers))
        return (
            self._constant(f"{name or layer}_weight", self._rounded(weight * np.float32(scale))),
            self._constant(f"{name or layer}_bias", self._rounded(bias)),
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


def _side_by_side(parts: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Weights of towers that read only their own units, [out, in] each, as one for all units.

    Zeros stand where a tower does not read: a matrix product has no groups.
    """
    rows, columns = parts[0].shape
    whole = np.zeros((rows * len(parts), columns * len(parts)), np.float32)
    for place, part in enumerate(parts):
        whole[place * rows : (place + 1) * rows, place * columns : (place + 1) * columns] = part
    return whole
