"""bvlc_alexnet step by step, as every form of it is read, and held against the layer table.

A step is an operator with its settings; a file is taken where its steps are the dialect's, whatever
its names are.  BGR becomes RGB by reversing conv1's input channels, which changes no number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alexnet_export.checkpoint import Tensor
from alexnet_export.errors import SourceError
from alexnet_export.layers import Dialect, Norm, Pool, shapes

# The mean pixel of the challenge's training pictures, RGB, 0..255: Caffe's mean image averaged.
# float32 [3]; as in Caffe's own examples.  A script beside the ONNX Model Zoo's file subtracts
# 123.68, 116.779, 103.939 instead, the mean pixel of the later VGG networks.
MEAN_PIXEL = (122.67891434, 116.66876762, 104.00698793)


@dataclass(frozen=True)
class Step:
    """One operator; ``weight`` and ``bias`` are those of convolutions and "dense" ones."""

    operator: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    weight: Tensor | None = None
    bias: Tensor | None = None


def pooling(name: str, side: int, out: int, *, kernel: int, stride: int, first: int) -> Step:
    """Max pooling, maps of ``side`` to maps of ``out``; ``first`` is the padding before them.

    How far the last window reaches past the maps is what counts, not how that is written:
    as padding behind them or as a rounding upwards.
    """
    past = max(0, (out - 1) * stride + kernel - side - first)
    settings = {"kernel": kernel, "stride": stride, "padding": (first, first, past, past)}
    return Step("max pool", name, settings)


def network(dialect: Dialect, steps: Iterable[Step]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, without the mean, from the steps of a file.

    A step is compared before the next is asked for.  Raises SourceError, naming the first
    difference, where they are not those of the dialect.
    """
    expected, weighted, number = _expected(dialect), [], 0
    for number, found in enumerate(steps, start=1):
        if number > len(expected):
            raise SourceError(f"behind {dialect.classifier} there is {found.operator}")
        _require_same(expected[number - 1], found)
        if found.weight is not None:
            weighted.append(found)
    if number < len(expected):
        raise SourceError(f"it ends before {expected[number].name}")
    tensors: dict[str, Tensor] = {}
    for shape, step in zip(shapes(dialect, 1000), weighted, strict=True):
        if step.weight is None or step.bias is None:
            raise SourceError(f"{shape.name} ({step.name}) has no bias")
        for kind, tensor, wanted_shape in (
            ("weight", step.weight, shape.weight),
            ("bias", step.bias, shape.weight[:1]),
        ):
            if tensor.shape != wanted_shape:
                raise SourceError(
                    f"{shape.name}'s {kind} ({step.name}) is {list(tensor.shape)}, and "
                    f"bvlc_alexnet's {list(wanted_shape)}"
                )
            tensors[f"{shape.name}.{kind}"] = tensor
    first = f"{dialect.convolutions[0].name}.weight"
    tensors[first] = np.ascontiguousarray(tensors[first][:, ::-1])  # [96, BGR -> RGB, 11, 11]
    return tensors


def _require_same(wanted: Step, found: Step) -> None:
    if wanted.operator != found.operator:
        raise SourceError(
            f"at {wanted.name} there is {found.operator} ({found.name}), and bvlc_alexnet has "
            f"{wanted.operator} there"
        )
    for setting, value in wanted.settings.items():
        if not _same(found.settings[setting], value):
            raise SourceError(
                f"{wanted.name} ({found.name}) has {setting} {found.settings[setting]}, and "
                f"bvlc_alexnet has {value}"
            )


def _expected(dialect: Dialect) -> list[Step]:
    steps = []
    for layer, shape in zip(dialect.convolutions, shapes(dialect, 1000), strict=False):
        settings = {
            "kernel": layer.kernel,
            "stride": layer.stride,
            "padding": layer.padding,
            "group": dialect.towers if layer.connection == "local" else 1,
        }
        steps += [Step("convolution", layer.name, settings), Step("ReLU", f"{layer.name}'s ReLU")]
        if layer.norm is not None:
            steps.append(Step("LRN", f"{layer.name}'s norm", _norm(layer.norm)))
        if layer.pool is not None:
            before, after = shape.activation[-1], shape.output[-1]
            steps.append(_pool(f"{layer.name}'s pool", layer.pool, before, after))
    for hidden in dialect.fully_connected:
        steps += [Step("dense", hidden.name), Step("ReLU", f"{hidden.name}'s ReLU")]
    return [*steps, Step("dense", dialect.classifier)]


def _norm(norm: Norm) -> dict[str, Any]:
    return {"size": norm.size, "alpha": norm.alpha, "beta": norm.beta, "k": norm.k}


def _pool(name: str, pool: Pool, before: int, after: int) -> Step:
    first = pool.padding[0]
    return pooling(name, before, after, kernel=pool.kernel, stride=pool.stride, first=first)


def _same(found: object, wanted: object) -> bool:
    """Settings are stored as float32 where they are no integers."""
    if isinstance(wanted, float):
        return isinstance(found, int | float) and math.isclose(found, wanted, rel_tol=1e-6)
    return found == wanted
