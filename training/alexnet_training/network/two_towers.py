"""AlexNet as the paper built it: two towers that meet in conv3 and the fully connected layers.

Everything is read off a ``Dialect``; no number of the network stands here.  Where the norm of a
dialect crosses the border between the towers, they meet there too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from alexnet_export.layers import Activation, Convolution, Dialect, LayerShape, Sides, shapes
from alexnet_training.network.batch_norm import Normalized, NormalizedConvolution, NormalizedLinear
from alexnet_training.network.exchange import both
from alexnet_training.network.normalization import local_response_norm, norm_in_maps

Tensors = dict[str, Tensor]


class Answer(NamedTuple):
    """``features``: fc7 after ReLU, [N, 4096], tower0's 2048 first; ``logits``: [N, classes]."""

    features: Tensor
    logits: Tensor


def pad(maps: Tensor, layer: Convolution) -> Tensor:
    """Zeros around ``maps`` [N, C, H, W] as the table asks for (conv1: right and bottom only)."""
    return _surrounded(maps, layer.padding, 0.0)


def max_pool(maps: Tensor, layer: Convolution) -> Tensor:
    """Overlapping max pooling (section 3.4) where the layer has one; no padding is a maximum."""
    if layer.pool is None:
        return maps
    padded = _surrounded(maps, layer.pool.padding, -math.inf)
    return functional.max_pool2d(padded, layer.pool.kernel, layer.pool.stride)


def activated(sums: Tensor, activation: Activation) -> Tensor:
    """``sums`` after ReLU or tanh, in their place."""
    return functional.relu(sums, inplace=True) if activation == "relu" else sums.tanh_()


class Tower(nn.Module):
    """The half of every layer that one GPU holds in the paper (figure 2)."""

    def __init__(self, dialect: Dialect, rows: tuple[LayerShape, ...], *, batch_norm: bool) -> None:
        super().__init__()
        self._activation = dialect.activation
        convolution = NormalizedConvolution if batch_norm else nn.Conv2d
        linear = NormalizedLinear if batch_norm else nn.Linear
        for layer, shape in zip(dialect.convolutions, rows, strict=False):
            out, fan_in = shape.weight[0] // dialect.towers, shape.weight[1]
            made = convolution(fan_in, out, layer.kernel, layer.stride, device="meta")
            self._add(layer.name, made, out)
        for shape in rows[len(dialect.convolutions) : -1]:
            out, fan_in = shape.weight[0] // dialect.towers, shape.weight[1]
            self._add(shape.name, linear(fan_in, out, device="meta"), out)

    def _add(self, name: str, layer: nn.Module, channels: int) -> None:
        self.add_module(name, layer.to_empty(device="cpu"))
        if isinstance(layer, Normalized):
            layer.begin(channels)

    def convolve(self, layer: Convolution, maps: Tensor) -> Tensor:
        """One convolution of this tower with its activation, unless that comes last."""
        sums: Tensor = self.get_submodule(layer.name)(pad(maps, layer))
        return sums if layer.is_activated_last else activated(sums, self._activation)

    def connect(self, name: str, units: Tensor) -> Tensor:
        """This tower's units of a fully connected layer, from the units that it reads."""
        return activated(self.get_submodule(name)(units), self._activation)


class TwoTowers(nn.Module):
    """The network of a dialect, split into its towers; weights are unset until loaded.

    ``dropout`` is the share of fc6's and fc7's outputs zeroed while training (section 4.2); the
    rest is scaled up then, so nothing is scaled at test.  ``batch_norm`` normalizes the sums of
    all layers but the classifier.
    """

    def __init__(
        self, dialect: Dialect, classes: int, dropout: float = 0.5, *, batch_norm: bool = False
    ) -> None:
        super().__init__()
        rows = shapes(dialect, classes)
        self.dialect, self.classes, self.dropout = dialect, classes, dropout
        self._kept: frozenset[str] = frozenset()
        self.devices: tuple[torch.device, ...] = (torch.device("cpu"),) * dialect.towers
        self.towers = [Tower(dialect, rows, batch_norm=batch_norm) for _ in range(dialect.towers)]
        for index, tower in enumerate(self.towers):
            self.add_module(f"tower{index}", tower)
        classifier = nn.Linear(rows[-1].weight[1], classes, device="meta")
        self.add_module(dialect.classifier, classifier.to_empty(device="cpu"))

    def place(self, devices: Sequence[torch.device]) -> None:
        """Put each tower on its device, and the classifier on tower 0's.

        One device for all, or one a tower.
        """
        self.devices = (*devices,) * (1 if len(devices) > 1 else len(self.towers))
        # channels_last is the layout in which processors and GPUs convolve fastest.
        for tower, device in zip(self.towers, self.devices, strict=True):
            tower.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.get_submodule(self.dialect.classifier).to(self.devices[0])

    def forward(self, images: Tensor) -> Answer:
        """``images``: float [N, 3, side, side], ``(pixel - mean) * scale``."""
        maps = [images.to(device, non_blocking=True) for device in self.devices]
        for depth, convolution in enumerate(self.dialect.convolutions):
            if depth and convolution.connection == "full":
                maps = both(maps, self.devices)
            maps = [
                tower.convolve(convolution, read)
                for tower, read in zip(self.towers, maps, strict=True)
            ]
            maps = [self._behind(part, convolution) for part in self.normalized(maps, convolution)]
        parts = dropped = [part.flatten(1) for part in maps]  # [N, 128 * 6 * 6] each
        hidden = self.dialect.fully_connected
        readers = [*(layer.name for layer in hidden[1:]), self.dialect.classifier]
        for layer, reader in zip(hidden, readers, strict=True):
            units = both(dropped, self.devices) if layer.connection == "full" else dropped
            parts = [
                tower.connect(layer.name, read)
                for tower, read in zip(self.towers, units, strict=True)
            ]
            # Before a layer that does not learn, dropout would only be noise.
            is_dropped = self.training and reader not in self._kept
            dropped = [functional.dropout(part, self.dropout, is_dropped) for part in parts]
        units = both(dropped, self.devices[:1])
        features = both(parts, self.devices[:1])[0]  # as before dropout
        return Answer(features, self.get_submodule(self.dialect.classifier)(units[0]))

    def _behind(self, maps: Tensor, layer: Convolution) -> Tensor:
        """What stands behind a layer's norm across maps, for one tower."""
        if layer.spatial_norm is not None:
            maps = norm_in_maps(maps, layer.spatial_norm)
        pooled = max_pool(maps, layer)
        return activated(pooled, self.dialect.activation) if layer.is_activated_last else pooled

    def normalized(self, maps: list[Tensor], layer: Convolution) -> list[Tensor]:
        """The layer's norm, where it has one, on the maps of each tower, [N, C, H, W]."""
        norm = layer.norm
        if norm is None:
            return maps
        if norm.reach == "tower":
            return [local_response_norm(part, norm) for part in maps]
        whole = dict(
            zip(self.devices, both(maps, self.devices), strict=True)
        )  # [N, towers * C, ..]
        normed = {
            device: local_response_norm(read, norm).chunk(len(maps), dim=1)
            for device, read in whole.items()
        }
        return [normed[device][tower] for tower, device in enumerate(self.devices)]

    def keep(self, layers: Collection[str]) -> None:
        """Let these layers stay as they are: no gradient reaches them."""
        self._kept = frozenset(layers)
        for name, part in self.named_parameters():
            part.requires_grad_(layer_of(name) not in self._kept)


def layer_of(parameter: str) -> str:
    """The layer that a parameter of the network belongs to: conv1 of ``tower0.conv1.weight``."""
    return parameter.split(".")[-2]


def load_tensors(network: TwoTowers, tensors: Tensors) -> None:
    """Copy a checkpoint's ``<layer>.weight`` and ``.bias`` (both towers together) into the towers.

    Raises KeyError or RuntimeError where a tensor is missing or has another shape.
    """
    with torch.no_grad():
        for name, layers in owners(network).items():
            for kind in ("weight", "bias"):
                rows = tensors[f"{name}.{kind}"].chunk(len(layers))
                for layer, part in zip(layers, rows, strict=True):
                    layer.get_parameter(kind).copy_(part)


def take_tensors(network: TwoTowers) -> Tensors:
    """The towers' parameters as a checkpoint has them, float32 on the CPU, contiguous copies.

    Batch normalization is folded into them: they answer as the network does at test.
    """
    taken: Tensors = {}
    for name, layers in owners(network).items():
        parts = [
            layer.folded()
            if isinstance(layer, Normalized)
            else (layer.get_parameter("weight"), layer.get_parameter("bias"))
            for layer in layers
        ]
        for kind, rows in zip(("weight", "bias"), zip(*parts, strict=True), strict=True):
            whole = torch.cat([part.detach().cpu() for part in rows])
            taken[f"{name}.{kind}"] = whole.contiguous()
    return taken


def _surrounded(maps: Tensor, sides: Sides, value: float) -> Tensor:
    top, left, bottom, right = sides
    return functional.pad(maps, (left, right, top, bottom), value=value) if any(sides) else maps


def owners(network: TwoTowers) -> dict[str, list[nn.Module]]:
    """Layer name -> the modules that hold its rows, tower by tower; the classifier's is one."""
    owners = {
        name: [tower.get_submodule(name) for tower in network.towers]
        for name, _ in network.towers[0].named_children()
    }
    classifier = network.dialect.classifier
    return {**owners, classifier: [network.get_submodule(classifier)]}
