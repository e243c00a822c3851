"""``bvlcalexnet-12.onnx`` of the ONNX Model Zoo, read by what its graph does and not by its names.

The graph is followed from the pictures to the softmax.  Whatever stands beside that way is left
unread; no other file is opened (external data), and no operator runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import google.protobuf.message
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from alexnet_export.checkpoint import Tensor
from alexnet_export.dialects import CAFFE, CAFFE224
from alexnet_export.errors import SourceError
from alexnet_export.importing.caffe_steps import Step, network, pooling
from alexnet_export.importing.onnx_node import (
    attributes,
    called,
    lrn,
    require_known_attributes,
    window,
)
from alexnet_export.layers import Dialect

_BY_SIDE = {dialect.image_side: dialect for dialect in (CAFFE, CAFFE224)}
_MIN_OPSET = 7  # before it, Gemm broadcasts its bias only where it is told to
_SAME = ("Dropout", "Identity")
_Shape = tuple[int, ...]  # of one picture: (channels, side) of maps, (units,)


def read_zoo_file(content: bytes) -> tuple[Dialect, dict[str, Tensor]]:
    """The dialect, ``caffe224`` or ``caffe``, and the tensors of a checkpoint but for the mean.

    The tensors are for RGB.  Raises SourceError where the file is damaged or the network is not
    bvlc_alexnet.
    """
    try:
        model = onnx.load_model_from_string(content)
    except google.protobuf.message.DecodeError as error:
        raise SourceError(f"damaged or cut off, no ONNX model: {error}") from error
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version < _MIN_OPSET:
            raise SourceError(f"its operators are of version {opset.version}, not {_MIN_OPSET}")
    return _Walk(model.graph).network()


class _Walk:
    """The way from the pictures to the softmax, one node after the other."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._outputs = {value.name for value in graph.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        nodes = []
        for node in graph.node:
            if node.op_type == "Constant" and len(node.output) == 1:
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self._constants[node.output[0]] = attribute.t
                continue
            nodes.append(node)
        for node in nodes:
            for name in set(node.input):
                self._readers.setdefault(name, []).append(node)
        inputs = [value for value in graph.input if value.name not in self._constants]
        if len(inputs) != 1:
            raise SourceError(f"it has {len(inputs)} inputs, and bvlc_alexnet one of pictures")
        self._value = inputs[0].name
        self._side = _picture_side(inputs[0])
        self._shape: _Shape = (3, self._side)
        self._longest = len(nodes)

    def network(self) -> tuple[Dialect, dict[str, Tensor]]:
        dialect = _BY_SIDE[self._side]
        return dialect, network(dialect, self._steps())

    def _steps(self) -> Iterator[Step]:
        for _ in range(self._longest + 1):
            node = self._next()
            if node.op_type == "Softmax":
                self._end(node)
                return
            step = self._step(node)
            self._value = node.output[0]
            if step is not None:
                yield step
        raise SourceError("its nodes go round in a circle")

    def _next(self) -> onnx.NodeProto:
        readers = self._readers.get(self._value, [])
        if len(readers) != 1:
            raise SourceError(f"{len(readers)} nodes read {self._value}, and bvlc_alexnet has one")
        node = readers[0]
        if node.domain not in ("", "ai.onnx") or not node.output or node.input[0] != self._value:
            raise SourceError(f"{called(node)} is no operator of bvlc_alexnet")
        require_known_attributes(node)
        return node

    def _end(self, node: onnx.NodeProto) -> None:
        if attributes(node).get("axis", -1) not in (1, -1):
            raise SourceError(f"{called(node)} is not over the classes")
        if node.output[0] not in self._outputs:
            raise SourceError(f"{called(node)} is not what the network answers")

    def _step(self, node: onnx.NodeProto) -> Step | None:
        """The node as a step, None where it changes no number."""
        if node.op_type in _SAME:
            if len(node.input) > 2 and node.input[2] and self._array(node, 2).any():
                raise SourceError(f"{called(node)} is in training")
            return None
        readers: dict[str, Callable[[onnx.NodeProto], Step | None]] = {
            "Conv": self._convolution,
            "Relu": lambda node: Step("ReLU", called(node)),
            "LRN": lrn,
            "MaxPool": self._max_pool,
            "Flatten": self._flatten,
            "Reshape": self._reshape,
            "Gemm": self._dense,
        }
        read = readers.get(node.op_type)
        return read(node) if read else Step(node.op_type, called(node))

    def _convolution(self, node: onnx.NodeProto) -> Step:
        weight, bias = self._floats(node, 1), self._floats(node, 2)
        found = attributes(node)
        if weight.ndim != 4 or weight.shape[2] != weight.shape[3]:
            raise SourceError(f"{called(node)} has a weight {list(weight.shape)}")
        kernel, stride, padding = window(node, found, weight.shape[2])
        if kernel != weight.shape[2]:
            raise SourceError(f"{called(node)} has kernel {kernel}, its weight {weight.shape[2]}")
        side = self._maps_side(node)
        if side + padding[0] + padding[2] < kernel:
            raise SourceError(f"{called(node)} has maps of {side}, less than its kernel {kernel}")
        out = (side + padding[0] + padding[2] - kernel) // stride + 1
        self._shape = (weight.shape[0], out)
        group = found.get("group", 1)
        settings = {"kernel": kernel, "stride": stride, "padding": padding, "group": group}
        return Step("convolution", called(node), settings, weight, bias)

    def _max_pool(self, node: onnx.NodeProto) -> Step:
        found = attributes(node)
        kernel, stride, padding = window(node, found, 0)
        top, left, bottom, right = padding
        side = self._maps_side(node)
        if len(node.output) != 1 or top != left or bottom != right or max(padding) >= kernel:
            raise SourceError(f"{called(node)} has pads {list(padding)} or gives indices")
        if side + top + bottom < kernel:
            raise SourceError(f"{called(node)} has maps of {side}, less than its kernel {kernel}")
        room = side + top + bottom - kernel
        out = (-(-room // stride) if found.get("ceil_mode", 0) else room // stride) + 1
        self._shape = (self._shape[0], out)
        return pooling(called(node), side, out, kernel=kernel, stride=stride, first=top)

    def _flatten(self, node: onnx.NodeProto) -> None:
        if attributes(node).get("axis", 1) != 1:
            raise SourceError(f"{called(node)} does not put a picture in a row")
        self._shape = (self._units(),)

    def _reshape(self, node: onnx.NodeProto) -> None:
        if node.input[1:2] and self._constant(node, 1).data_type != TensorProto.INT64:
            raise SourceError(f"{called(node)} has no shape of whole numbers")
        target = tuple(int(side) for side in self._array(node, 1).ravel()[:8])
        units = self._units()
        rows = {(count, units) for count in (-1, 0, 1)} | {(count, -1) for count in (0, 1)}
        if target not in rows:
            raise SourceError(f"{called(node)} makes {list(target)}, no row of {units} a picture")
        self._shape = (units,)

    def _dense(self, node: onnx.NodeProto) -> Step:
        found = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | attributes(node)
        if (found["alpha"], found["beta"], found["transA"]) != (1.0, 1.0, 0):
            raise SourceError(f"{called(node)} scales or turns what it reads")
        if len(self._shape) != 1:
            raise SourceError(f"{called(node)} reads maps, not a row")
        weight, bias = self._floats(node, 1), self._floats(node, 2)
        if weight.ndim != 2:
            raise SourceError(f"{called(node)} has a weight {list(weight.shape)}")
        if not found["transB"]:
            weight = np.ascontiguousarray(weight.T)  # [in, out] -> [out, in]
        self._shape = (weight.shape[0],)
        return Step("dense", called(node), {}, weight, bias.reshape(-1))

    def _maps_side(self, node: onnx.NodeProto) -> int:
        if len(self._shape) != 2:
            raise SourceError(f"{called(node)} reads a row, not maps")
        return self._shape[1]

    def _units(self) -> int:
        return self._shape[0] * (self._shape[1] ** 2 if len(self._shape) == 2 else 1)

    def _floats(self, node: onnx.NodeProto, place: int) -> Tensor:
        tensor = self._constant(node, place)
        if tensor.data_type != TensorProto.FLOAT:
            raise SourceError(f"{called(node)}: {tensor.name} is not float32")
        return np.array(self._array(node, place), np.float32)

    def _array(self, node: onnx.NodeProto, place: int) -> Any:  # noqa: ANN401 - of any type
        tensor = self._constant(node, place)
        if tensor.data_type == TensorProto.STRING:
            raise SourceError(f"{called(node)}: {tensor.name} holds text")
        try:
            return numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(f"{tensor.name} is damaged: {error}") from error

    def _constant(self, node: onnx.NodeProto, place: int) -> onnx.TensorProto:
        name = node.input[place] if place < len(node.input) else ""
        if name not in self._constants:
            raise SourceError(f"{called(node)} has no constant as input {place} ({name or 'none'})")
        tensor = self._constants[name]
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise SourceError(f"{name} lies in another file, which is not opened")
        return tensor


def _picture_side(value: onnx.ValueInfoProto) -> int:
    sides: list[int] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    is_float = value.type.tensor_type.elem_type == TensorProto.FLOAT
    if not is_float or sides[1:] not in ([3, side, side] for side in _BY_SIDE):
        raise SourceError(
            f"its input {value.name} is {sides}, and bvlc_alexnet's float32 [1, 3, 224, 224] or "
            "[1, 3, 227, 227]"
        )
    return sides[-1]
