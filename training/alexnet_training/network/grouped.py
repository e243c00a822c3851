"""The same network on one device: two groups in the local layers, LRN as far as a norm reaches.

It reads the same tensors as the towers and uses torch's own normalization, so that agreement
between the two proves both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from alexnet_export.layers import Convolution, Dialect, FullyConnected, shapes
from alexnet_training.network.two_towers import Answer, Tensors, max_pool, pad


class Grouped(nn.Module):
    """A dialect's network without towers, for inference; weights are unset until loaded."""

    def __init__(self, dialect: Dialect, classes: int) -> None:
        super().__init__()
        rows = shapes(dialect, classes)
        self.dialect = dialect
        channels = 3
        for layer in dialect.convolutions:
            groups = 1 if layer.connection == "full" else dialect.towers
            convolution = nn.Conv2d(
                channels,
                layer.channels,
                layer.kernel,
                layer.stride,
                groups=groups,
                device="meta",
            )
            self.add_module(layer.name, convolution.to_empty(device="cpu"))
            channels = layer.channels
        for shape in rows[len(dialect.convolutions) :]:
            linear = nn.Linear(shape.weight[1], shape.weight[0], device="meta")
            self.add_module(shape.name, linear.to_empty(device="cpu"))

    def forward(self, images: Tensor) -> Answer:
        """``images``: float [N, 3, side, side], ``(pixel - mean) * scale``."""
        maps = images
        for layer in self.dialect.convolutions:
            maps = self.get_submodule(layer.name)(pad(maps, layer))
            if not layer.is_activated_last:
                maps = self._activated(maps)
            maps = max_pool(self._normalize(maps, layer), layer)
            if layer.is_activated_last:
                maps = self._activated(maps)
        units = maps.flatten(1)  # [N, 256 * 6 * 6], tower0's maps first
        for hidden in self.dialect.fully_connected:
            units = self._activated(self._connected(hidden, units))
        return Answer(units, self.get_submodule(self.dialect.classifier)(units))

    def _connected(self, layer: FullyConnected, units: Tensor) -> Tensor:
        linear = self.get_submodule(layer.name)
        weight, bias = linear.get_parameter("weight"), linear.get_parameter("bias")
        towers = self.dialect.towers if layer.connection == "local" else 1
        own = [
            functional.linear(*part)
            for part in zip(
                units.chunk(towers, dim=1), weight.chunk(towers), bias.chunk(towers), strict=True
            )
        ]
        return torch.cat(own, dim=1)

    def _activated(self, sums: Tensor) -> Tensor:
        return functional.relu(sums) if self.dialect.activation == "relu" else sums.tanh()

    def _normalize(self, maps: Tensor, layer: Convolution) -> Tensor:
        norm, within = layer.norm, layer.spatial_norm
        if norm is not None:
            windows = maps.chunk(self.dialect.towers, dim=1) if norm.reach == "tower" else (maps,)
            maps = torch.cat(
                [
                    functional.local_response_norm(part, norm.size, norm.alpha, norm.beta, norm.k)
                    for part in windows
                ],
                dim=1,
            )
        if within is not None:
            reach = within.size // 2
            squares = functional.pad(maps**2, (reach,) * 4).unfold(2, within.size, 1)
            total = squares.unfold(3, within.size, 1).sum((-1, -2))
            maps = maps / (within.k + within.alpha / within.size**2 * total) ** within.beta
        return maps


def load_tensors(network: Grouped, tensors: Tensors) -> None:
    """Copy a checkpoint's tensors in, as they are; ``mean`` is no part of the network.

    Raises RuntimeError where one is missing or has another shape.
    """
    network.load_state_dict({name: tensors[name] for name in tensors if name != "mean"})


def take_tensors(network: Grouped) -> Tensors:
    """The parameters as a checkpoint has them, float32 on the CPU."""
    return {name: part.detach().cpu().clone() for name, part in network.named_parameters()}
