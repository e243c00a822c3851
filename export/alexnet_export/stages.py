"""Where the network is cut: a stage begins wherever a layer reads both towers.

For alexnet2012 this gives the paper's figure 2: conv1-conv2, conv3-conv5, fc6, fc7, fc8.  A norm
that crosses into the other tower cuts a local layer in two, for its maps at the border have to be
exchanged first; behind a full layer each tower computes the few it needs itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from alexnet_export.layers import Convolution, Dialect, FullyConnected, Layer, Norm, Pool, shapes

_DIGITS = "0123456789"


@dataclass(frozen=True)
class NormAndPool:
    """What is behind the ReLU of ``convolution``, which the stage before computed."""

    convolution: Convolution

    @property
    def name(self) -> str:
        """``norm2`` for conv2."""
        return numbered("norm", self.convolution)

    @property
    def norm(self) -> Norm | None:
        """The norm, which reads maps of the other tower."""
        return self.convolution.norm

    @property
    def pool(self) -> Pool | None:
        """The pool behind the norm, if there is one."""
        return self.convolution.pool


Work = Convolution | NormAndPool | FullyConnected


@dataclass(frozen=True)
class Stage:
    """Layers that run without hearing from the other tower; ``name`` sorts in data order.

    Where ``border`` is given, the stage behind does not read all that the other tower's gave, but
    only the maps at the border that the norm of this convolution reads.
    """

    name: str
    layers: tuple[Work, ...]
    border: Convolution | None = None


def stages(dialect: Dialect) -> tuple[Stage, ...]:
    """Cut a dialect's layers, the classifier aside, at every exchange between the towers."""
    groups: list[list[Work]] = []
    for convolution in dialect.convolutions:
        first, *behind = _cut(convolution)
        if convolution.connection == "full":
            groups.append([first])
        else:
            groups[-1].append(first)
        groups += [[each] for each in behind]
    for layer in dialect.fully_connected:
        if layer.connection == "full":
            groups.append([layer])
        else:
            groups[-1].append(layer)
    return tuple(
        Stage(_name(number, [layer.name for layer in group]), tuple(group), _border(following))
        for number, (group, following) in enumerate(pairwise([*groups, []]), start=1)
    )


def classifier_stage_name(dialect: Dialect) -> str:
    """Name of the last stage, which reads both towers and runs once."""
    return _name(len(stages(dialect)) + 1, [dialect.classifier])


def sizes(dialect: Dialect, work: Work) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a layer, or what a cut left of it, gives before and after pooling, both towers together.

    ``(channels, height, width)`` or ``(units,)``.
    """
    layer: Layer = work.convolution if isinstance(work, NormAndPool) else work
    by_name = {shape.name: shape for shape in shapes(dialect, classes=1)}
    shape = by_name[layer.name]
    is_pooled = not isinstance(work, FullyConnected) and work.pool is not None
    return shape.activation, shape.output if is_pooled else shape.activation


def numbered(kind: str, layer: Layer) -> str:
    """``kind`` with the number of a layer: ``border2`` for "border" and conv2."""
    return kind + layer.name[len(layer.name.rstrip(_DIGITS)) :]


def _cut(layer: Convolution) -> tuple[Work, ...]:
    if layer.norm is None or layer.norm.reach == "tower" or layer.connection == "full":
        return (layer,)
    return replace(layer, norm=None, pool=None), NormAndPool(layer)


def _border(following: list[Work]) -> Convolution | None:
    first = following[0] if following else None
    return first.convolution if isinstance(first, NormAndPool) else None


def _name(number: int, layers: list[str]) -> str:
    # ["conv3", "conv4", "conv5"] -> s2_conv345, ["norm2", "conv3"] -> s2_norm2_conv3
    name, before = f"s{number}", ""
    for layer in layers:
        kind = layer.rstrip(_DIGITS)
        name += layer.removeprefix(kind) if kind == before else f"_{layer}"
        before = kind
    return name
