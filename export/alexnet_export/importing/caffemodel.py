"""``bvlc_alexnet.caffemodel``: Caffe's NetParameter, in the present form and in the one of 2014.

Field numbers are those of caffe.proto (BVLC/caffe, src/caffe/proto).  The layers are followed along
the blobs that they read, from the first convolution on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet_export.checkpoint import Tensor
from alexnet_export.dialects import CAFFE
from alexnet_export.errors import SourceError
from alexnet_export.importing.blob import blob
from alexnet_export.importing.caffe_steps import Step, network, pooling
from alexnet_export.importing.protobuf_wire import Field, fields, floats, integers
from alexnet_export.layers import Dialect

# Of V1LayerParameter.LayerType, those that a network of this kind can have.
_V1_TYPES = {
    1: "Accuracy",
    4: "Convolution",
    5: "Data",
    6: "Dropout",
    14: "InnerProduct",
    15: "LRN",
    17: "Pooling",
    18: "ReLU",
    20: "Softmax",
    21: "SoftmaxWithLoss",
}
_LAST = ("Softmax", "SoftmaxWithLoss")


@dataclass(frozen=True)
class _Numbers:
    """Where a layer's message has what."""

    name: int
    type: int
    bottom: int
    top: int
    blobs: int
    parameters: dict[str, int]


_LAYER = _Numbers(
    1,
    2,
    3,
    4,
    7,
    {"Convolution": 106, "InnerProduct": 117, "LRN": 118, "Pooling": 121, "ReLU": 123},
)
_V1_LAYER = _Numbers(
    4, 5, 2, 3, 6, {"Convolution": 10, "InnerProduct": 17, "LRN": 18, "Pooling": 19, "ReLU": 30}
)
_LAYERS = {100: _LAYER, 2: _V1_LAYER}  # NetParameter's fields ``layer`` and ``layers``


@dataclass(frozen=True)
class _Layer:
    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[memoryview, ...]
    parameters: dict[int, list[Field]]

    def number(self, parameter: int, default: int) -> int:
        """A whole number of the layer's parameters; two in one field for height and width."""
        values = set(integers(self.parameters.get(parameter, []))) or {default}
        if len(values) > 1:
            raise SourceError(f"{self.name} has parameters of its own for height and width")
        return values.pop()

    def square(self, both: int, height: int, width: int, default: int) -> int:
        """A length given for both sides at once, or for each."""
        each = [self.number(one, 0) for one in (height, width) if one in self.parameters]
        if not each:
            return self.number(both, default)
        if both in self.parameters or len(each) == 1 or each[0] != each[1]:
            raise SourceError(f"{self.name} has parameters of its own for height and width")
        return each[0]

    def real(self, parameter: int, default: float) -> float:
        """A number of the layer's parameters."""
        found = self.parameters.get(parameter, [])[-1:]
        return float(floats(found, "<f4")[0]) if found else default


def read_caffemodel(content: bytes) -> tuple[Dialect, dict[str, Tensor]]:
    """Dialect ``caffe`` and the tensors of a checkpoint but for the mean, RGB.

    Raises SourceError where the message is damaged or the network is not bvlc_alexnet.
    """
    return CAFFE, network(CAFFE, _steps(memoryview(content)))


def _steps(content: memoryview) -> Iterator[Step]:
    """The way of the pictures, from the first convolution to the loss or the end."""
    side, current = CAFFE.image_side, None
    for layer in _layers(content):
        if current is None and layer.type == "Convolution":
            current = layer.bottoms[:1]
        # Where the pictures come from, and what is beside the way: labels, accuracy.
        if current is None or layer.bottoms[:1] != current or layer.type == "Accuracy":
            continue
        if layer.type in _LAST:
            return
        if len(layer.tops) != 1 or len(layer.bottoms) != 1:
            raise SourceError(f"{layer.name} ({layer.type}) reads or gives more than one blob")
        current = layer.tops
        if layer.type != "Dropout":
            step, side = _step(layer, side)
            yield step


def _layers(content: memoryview) -> list[_Layer]:
    found = []
    for field in fields(content):
        if field.number in _LAYERS and not isinstance(field.value, int):
            found.append(_layer(field.content, _LAYERS[field.number]))
    if not found:
        raise SourceError("no network: it has no layers")
    return found


def _layer(content: memoryview, numbers: _Numbers) -> _Layer:
    found: dict[int, list[Field]] = {}
    for field in fields(content):
        found.setdefault(field.number, []).append(field)
    name = found[numbers.name][-1].text if numbers.name in found else "a layer without a name"
    kind = "none"
    if numbers.type in found:
        last = found[numbers.type][-1]
        is_old = isinstance(last.value, int)
        kind = _V1_TYPES.get(last.integer, f"type {last.integer}") if is_old else last.text
    parameters: dict[int, list[Field]] = {}
    for message in found.get(numbers.parameters.get(kind, 0), []):
        for field in fields(message.content):
            parameters.setdefault(field.number, []).append(field)
    return _Layer(
        name=name,
        type=kind,
        bottoms=tuple(field.text for field in found.get(numbers.bottom, [])),
        tops=tuple(field.text for field in found.get(numbers.top, [])),
        blobs=tuple(field.content for field in found.get(numbers.blobs, [])),
        parameters=parameters,
    )


def _step(layer: _Layer, side: int) -> tuple[Step, int]:
    """The layer as a step, and the side of the maps that it gives for maps of ``side``."""
    read = _READERS.get(layer.type)
    if read is None:
        return Step(layer.type, layer.name), side
    return read(layer, side)


def _convolution(layer: _Layer, side: int) -> tuple[Step, int]:
    kernel, stride = layer.square(4, 11, 12, 0), layer.square(6, 13, 14, 1)
    padding, dilation = layer.square(3, 9, 10, 0), layer.number(18, 1)
    if not 0 < kernel <= side + 2 * padding or stride < 1 or dilation != 1:
        raise SourceError(
            f"{layer.name} has kernel {kernel}, stride {stride}, dilation {dilation} on {side} maps"
        )
    settings = {
        "kernel": kernel,
        "stride": stride,
        "padding": (padding,) * 4,
        "group": layer.number(5, 1),
    }
    step = _weighted(layer, "convolution", settings)
    return step, (side + 2 * padding - kernel) // stride + 1


def _lrn(layer: _Layer, side: int) -> tuple[Step, int]:
    if layer.number(4, 0) != 0:
        raise SourceError(f"{layer.name} norms within a map, and bvlc_alexnet across them")
    settings: dict[str, Any] = {"size": layer.number(1, 5), "alpha": layer.real(2, 1.0)}
    settings |= {"beta": layer.real(3, 0.75), "k": layer.real(5, 1.0)}
    return Step("LRN", layer.name, settings), side


def _pooling(layer: _Layer, side: int) -> tuple[Step, int]:
    kernel, stride = layer.square(2, 5, 6, 0), layer.square(3, 7, 8, 1)
    padding = layer.square(4, 9, 10, 0)
    if layer.number(1, 0) != 0 or layer.number(12, 0) != 0:
        raise SourceError(f"{layer.name} takes no maximum of windows, and bvlc_alexnet does")
    if not 0 < kernel <= side or stride < 1 or padding >= kernel:
        raise SourceError(f"{layer.name} pools {side} maps by {kernel} and {stride}")
    if layer.number(13, 0) != 0:
        raise SourceError(f"{layer.name} rounds down, and bvlc_alexnet's pooling up")
    # Caffe rounds up; a last window that would begin in the padding is left out.
    out = -(-(side + 2 * padding - kernel) // stride) + 1
    if padding and (out - 1) * stride >= side + padding:
        out -= 1
    step = pooling(layer.name, side, out, kernel=kernel, stride=stride, first=padding)
    return step, out


def _dense(layer: _Layer, side: int) -> tuple[Step, int]:
    if layer.number(5, 1) != 1 or layer.number(6, 0) != 0:
        raise SourceError(f"{layer.name} has its weight transposed, or on another axis")
    return _weighted(layer, "dense", {}), side


def _relu(layer: _Layer, side: int) -> tuple[Step, int]:
    if layer.real(1, 0.0) != 0:
        raise SourceError(f"{layer.name} is leaky, and bvlc_alexnet's ReLU is not")
    return Step("ReLU", layer.name), side


_READERS: dict[str, Callable[[_Layer, int], tuple[Step, int]]] = {
    "Convolution": _convolution,
    "LRN": _lrn,
    "Pooling": _pooling,
    "InnerProduct": _dense,
    "ReLU": _relu,
}


def _weighted(layer: _Layer, operator: str, settings: dict[str, Any]) -> Step:
    if len(layer.blobs) != 2:
        raise SourceError(f"{layer.name} has {len(layer.blobs)} blobs, not a weight and a bias")
    weight, bias = (blob(message) for message in layer.blobs)
    axes = 4 if operator == "convolution" else 2
    # Files of 2014 have four sides in every blob: ones come first.
    return Step(operator, layer.name, settings, _with_axes(weight, axes), _with_axes(bias, 1))


def _with_axes(array: Tensor, axes: int) -> Tensor:
    surplus = array.ndim - axes
    if surplus > 0 and array.shape[:surplus] == (1,) * surplus:
        return np.reshape(array, array.shape[surplus:])
    return array
