"""One node of an ONNX graph: its attributes, and what they may be."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import AttributeProto

from alexnet_export.errors import SourceError
from alexnet_export.importing.caffe_steps import Step

_ATTRIBUTES: dict[str, set[str]] = {
    "Conv": {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"},
    "MaxPool": {
        "auto_pad",
        "ceil_mode",
        "dilations",
        "kernel_shape",
        "pads",
        "storage_order",
        "strides",
    },
    "LRN": {"alpha", "beta", "bias", "size"},
    "Relu": set(),
    "Gemm": {"alpha", "beta", "transA", "transB"},
    "Softmax": {"axis"},
    "Flatten": {"axis"},
    "Reshape": {"allowzero"},
    "Dropout": {"ratio", "seed"},
    "Identity": set(),
}
_TYPES = {
    **dict.fromkeys(("dilations", "kernel_shape", "pads", "strides"), AttributeProto.INTS),
    **dict.fromkeys(("alpha", "beta", "bias", "ratio"), AttributeProto.FLOAT),
    **dict.fromkeys(("allowzero", "axis", "ceil_mode", "group", "seed"), AttributeProto.INT),
    **dict.fromkeys(("size", "storage_order", "transA", "transB"), AttributeProto.INT),
    "auto_pad": AttributeProto.STRING,
}


def require_known_attributes(node: onnx.NodeProto) -> None:
    """Raise SourceError where an attribute is left unread here, or is of another type."""
    if node.op_type not in _ATTRIBUTES:
        return  # no step of the network: refused by its name
    for one in node.attribute:
        if one.name not in _ATTRIBUTES[node.op_type]:
            raise SourceError(f"{called(node)} has the attribute {one.name}, which is not known")
        if one.type != _TYPES[one.name]:
            raise SourceError(f"{called(node)} has an attribute {one.name} of another type")


def lrn(node: onnx.NodeProto) -> Step:
    """An LRN node as a step; what ONNX calls bias is k."""
    found = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0, "size": 0} | attributes(node)
    names = {"size": "size", "alpha": "alpha", "beta": "beta", "k": "bias"}
    return Step("LRN", called(node), {ours: found[theirs] for ours, theirs in names.items()})


def window(
    node: onnx.NodeProto, found: dict[str, Any], kernel: int
) -> tuple[int, int, tuple[int, ...]]:
    """Kernel, stride and (top, left, bottom, right) of a square window; raises SourceError."""
    sides = found.get("kernel_shape", [kernel] * 2)
    strides = found.get("strides", [1, 1])
    pads = tuple(found.get("pads", [0] * 4))
    is_plain = (
        found.get("auto_pad", b"NOTSET") == b"NOTSET"
        and set(found.get("dilations", [1])) == {1}
        and found.get("storage_order", 0) == 0
    )
    is_square = all(len(pair) == 2 and pair[0] == pair[1] > 0 for pair in (sides, strides))
    if not is_plain or not is_square or len(pads) != 4 or min(pads) < 0:
        raise SourceError(
            f"{called(node)} has kernel {sides}, strides {strides}, pads {list(pads)}"
            + ("" if is_plain else ", and dilations or an order of their own")
        )
    return sides[0], strides[0], pads


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The node's attributes as Python values."""
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def called(node: onnx.NodeProto) -> str:
    """The node in a message."""
    return f"{node.op_type} {node.name or (node.output[0] if node.output else '')}".rstrip()
