"""A caffemodel of bvlc_alexnet, encoded here: both forms that Caffe's NetParameter has had.

The field numbers are those of caffe.proto (BVLC/caffe), the layers those of bvlc_alexnet's
train_val.prototxt.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tests.unit.importing.random_weights import Weights

Form = Literal["layer", "layers"]  # NetParameter's fields: LayerParameter, V1LayerParameter
_V1_TYPES = {
    "Convolution": 4,
    "Data": 5,
    "Dropout": 6,
    "InnerProduct": 14,
    "LRN": 15,
    "Pooling": 17,
    "ReLU": 18,
    "SoftmaxWithLoss": 21,
}
_PARAMETERS: dict[Form, dict[str, int]] = {
    "layer": {"Convolution": 106, "InnerProduct": 117, "LRN": 118, "Pooling": 121, "ReLU": 123},
    "layers": {"Convolution": 10, "InnerProduct": 17, "LRN": 18, "Pooling": 19, "ReLU": 30},
}


def varint(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value > 127:
        groups.append(value % 128 + 128)
        value //= 128
    return bytes([*groups, value])


def number(place: int, value: int | float) -> bytes:
    """A field with a whole number (varint) or a real one (four bytes)."""
    if isinstance(value, float):
        return varint(place * 8 + 5) + struct.pack("<f", value)
    return varint(place * 8) + varint(value)


def text(place: int, value: str | bytes) -> bytes:
    """A field with a string, a message or packed values."""
    content = value.encode() if isinstance(value, str) else value
    return varint(place * 8 + 2) + varint(len(content)) + content


def blob(array: np.ndarray, form: Form, *, packed: bool = True) -> bytes:
    """A BlobProto: with its shape, or in the old form with four sides, ones first."""
    if form == "layer":
        shape = text(7, text(1, b"".join(varint(side) for side in array.shape)))
    else:
        sides = (*[1] * (4 - array.ndim), *array.shape)
        shape = b"".join(number(place, side) for place, side in enumerate(sides, 1))
    flat = array.astype("<f4").ravel()
    if packed:
        return shape + text(5, flat.tobytes())
    return shape + b"".join(number(5, float(value)) for value in flat)


@dataclass
class Layer:
    """One layer; ``parameters`` are (field number, value) of its type's message."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    blobs: list[np.ndarray] = field(default_factory=list)
    parameters: list[tuple[int, int | float]] = field(default_factory=list)

    def give(self, place: int, value: int | float) -> None:
        """Set one of the parameters."""
        self.parameters = [one for one in self.parameters if one[0] != place] + [(place, value)]

    def encoded(self, form: Form) -> bytes:
        """The layer as a field of the network's message."""
        message = b"".join(number(place, value) for place, value in self.parameters)
        places = {"layer": (1, 2, 3, 4, 7), "layers": (4, 5, 2, 3, 6)}[form]
        name, kind, bottom, top, blobs = places
        parts = [text(bottom, one) for one in self.bottoms]
        parts += [text(top, one) for one in self.tops]
        parts.append(text(name, self.name))
        if form == "layer":
            parts.append(text(kind, self.type))
        else:
            parts.append(number(kind, _V1_TYPES[self.type]))
        # Biases unpacked, as old writers had everything: both ways of writing are read.
        parts += [text(blobs, blob(one, form, packed=one.ndim > 1)) for one in self.blobs]
        if message:
            parts.append(text(_PARAMETERS[form][self.type], message))
        return text(100 if form == "layer" else 2, b"".join(parts))


def bvlc_alexnet(weights: Weights) -> list[Layer]:
    """The layers of a training network's snapshot; ``weights`` are for BGR."""
    layers = [Layer("data", "Data", [], ["data", "label"])]

    def add(name: str, kind: str, top: str, *parameters: tuple[int, Any]) -> None:
        blobs = [weights[f"{name}.{part}"] for part in ("weight", "bias") if kind in _WEIGHTED]
        bottom = layers[-1].tops[0]
        layers.append(Layer(name, kind, [bottom], [top], blobs, list(parameters)))

    def convolution(at: int, kernel: int, stride: int, pad: int, group: int) -> None:
        name, maps = f"conv{at}", len(weights[f"conv{at}.bias"])
        settings = [(1, maps), (4, kernel)]
        settings += [(place, given) for place, given in ((3, pad), (5, group)) if given]
        settings += [(6, stride)] if stride > 1 else []  # what is the default is not written
        add(name, "Convolution", name, *settings)
        add(f"relu{at}", "ReLU", name)

    def norm(at: int) -> None:
        add(f"norm{at}", "LRN", f"norm{at}", (1, 5), (2, 1e-4), (3, 0.75))

    def pool(at: int) -> None:
        add(f"pool{at}", "Pooling", f"pool{at}", (1, 0), (2, 3), (3, 2))

    def dense(at: int) -> None:
        add(f"fc{at}", "InnerProduct", f"fc{at}", (1, len(weights[f"fc{at}.bias"])))

    convolution(1, 11, 4, 0, 0)
    norm(1)
    pool(1)
    convolution(2, 5, 1, 2, 2)
    norm(2)
    pool(2)
    convolution(3, 3, 1, 1, 0)
    convolution(4, 3, 1, 1, 2)
    convolution(5, 3, 1, 1, 2)
    pool(5)
    for at in (6, 7):
        dense(at)
        add(f"relu{at}", "ReLU", f"fc{at}")
        add(f"drop{at}", "Dropout", f"fc{at}")
    dense(8)
    layers.append(Layer("loss", "SoftmaxWithLoss", ["fc8", "label"], ["loss"]))
    return layers


_WEIGHTED = ("Convolution", "InnerProduct")


def caffemodel(layers: Iterable[Layer], form: Form) -> bytes:
    """The whole message."""
    return b"".join([text(1, "AlexNet"), *(layer.encoded(form) for layer in layers)])
