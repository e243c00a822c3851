"""The words that drawings of the network have for a layer and for a value."""

from __future__ import annotations

from dataclasses import dataclass

from alexnet_export.drawing.dataflow import Value
from alexnet_export.drawing.layer_share import LayerShare
from alexnet_export.layers import Convolution, FullyConnected

TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Caption:
    """One layer in words; what it does not have is empty.

    ``operation`` is "11x11/4" (side and stride of the kernels), ``size`` "48 maps" (of two towers
    side by side "2x48 maps"; "48+2 maps" where 2 of the other tower's are computed again), ``side``
    "55x55", ``behind`` "norm, pool 3x3/2" and ``pooled`` "27x27", the side after pooling.
    """

    name: str
    operation: str
    size: str
    side: str
    behind: str
    pooled: str


def caption(share: LayerShare) -> Caption:
    """Describe what a part computes of a layer."""
    layer, count = share.layer, share.activation[0]
    if layer is None:
        return Caption(share.name, "softmax", f"{count} classes", "", "", "")
    if isinstance(layer, FullyConnected):
        return Caption(share.name, "", f"{count} units", "", "", "")
    operation, behind = "", []
    if isinstance(layer, Convolution):
        operation = _kernel(layer.kernel, layer.stride)
        behind = ["norm"] if layer.norm else []
        behind += [f"norm {_kernel(layer.spatial_norm.size, 1)}"] if layer.spatial_norm else []
    groups = f"{share.groups}{TIMES}" if share.groups > 1 else ""
    again = f"+{share.again}" if share.again else ""
    if layer.pool:
        behind.append(f"pool {_kernel(layer.pool.kernel, layer.pool.stride)}")
    return Caption(
        name=share.name,
        operation=operation,
        size=f"{groups}{count // share.groups}{again} maps",
        side=size(share.activation[1:]),
        behind=", ".join(behind),
        pooled=size(share.output[1:]) if layer.pool else "",
    )


def describe(value: Value) -> str:
    """Say what it is and how much a picture: "images 224x224x3 uint8, 150,528 bytes"."""
    return f"{value.name} {size(value.dims)} {value.dtype}, {value.bytes:,} bytes"


def size(dims: tuple[int, ...]) -> str:
    """``(128, 13, 13)`` -> "128x13x13", with the proper sign."""
    return TIMES.join(map(str, dims))


def _kernel(side: int, stride: int) -> str:
    return size((side, side)) + (f"/{stride}" if stride > 1 else "")
