"""What the values of a graph are called: the same in every layout."""

from __future__ import annotations

from alexnet_export.layers import Convolution, FullyConnected
from alexnet_export.stages import NormAndPool, Work


def layer_output(layer: Work) -> str:
    """The name, in every layout, of the value that a layer gives to the next."""
    if isinstance(layer, NormAndPool):
        return layer_output(layer.convolution)
    if isinstance(layer, FullyConnected):
        return f"{layer.name}_units"
    if layer.pool is not None:
        return f"{layer.name}_pooled"
    return before_pool(layer)


def layer_input(layer: FullyConnected) -> str:
    """The name of the units that a fully connected layer reads: those below, in one row."""
    return f"{layer.name}_inputs"


def before_pool(layer: Convolution) -> str:
    """The name of the maps that a layer's pool reads."""
    if layer.spatial_norm is not None:
        return f"{layer.name}_spatial_normed"
    return f"{layer.name}_maps" if layer.norm is None else f"{layer.name}_normed"


def norm_denominator(layer: Convolution) -> str:
    """The name of the window sum inside a layer's norm, which is written as a convolution."""
    return f"{layer.name}_denominator"


def spatial_denominator(layer: Convolution) -> str:
    """The name of the same sum of the norm within a layer's maps."""
    return f"{layer.name}_spatial_denominator"


def border(layer: Convolution) -> str:
    """What the names of the maps begin with that a tower computes of the other one's layer."""
    return f"{layer.name}_border"


def picked(layer: Convolution) -> str:
    """The name of the maps that a tower sends of its own, which a convolution picks out."""
    return f"{layer.name}_picked"
