"""Batch normalization (Ioffe and Szegedy 2015) while training, none in the network that is kept.

It stands between a layer's sums and its activation.  At test it is a factor and a shift a channel,
which ``folded`` puts into the weights and biases: a checkpoint has the paper's layers alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_SMALLEST_VARIANCE = 1e-3
_NEWEST = 0.1  # share of the last batch in the running mean and variance


class Normalized(nn.Module):
    """A layer that keeps, a channel, a factor, which learns, and what its sums were like so far.

    Its ``bias`` is added behind the factor.
    """

    running_mean: Tensor
    running_variance: Tensor

    def begin(self, channels: int) -> None:
        """Begin with factor 1."""
        self.factor = nn.Parameter(torch.ones(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def normalized(self, sums: Tensor) -> Tensor:
        """``sums``: float [N, C, ...], normalized by the batch while training.

        A batch of one photo has no deviation a unit: it is normalized by what was before it.
        """
        return functional.batch_norm(
            sums,
            self.running_mean,
            self.running_variance,
            self.factor,
            self.get_parameter("bias"),
            training=self.training and len(sums) > 1,
            momentum=_NEWEST,
            eps=_SMALLEST_VARIANCE,
        )

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the same layer without batch normalization, at test."""
        factor = self.factor * (self.running_variance + _SMALLEST_VARIANCE).rsqrt()
        weight, bias = self.get_parameter("weight"), self.get_parameter("bias")
        scaled = weight * factor.reshape(-1, *[1] * (weight.dim() - 1))
        return scaled.detach(), (bias - self.running_mean * factor).detach()


class NormalizedConvolution(Normalized, nn.Conv2d):
    """A convolution whose maps are normalized over the batch and their positions."""

    def forward(self, maps: Tensor) -> Tensor:
        """``maps``: float [N, C, H, W]."""
        sums = functional.conv2d(maps, self.weight, None, self.stride)
        return self.normalized(sums)


class NormalizedLinear(Normalized, nn.Linear):
    """A fully connected layer whose units are normalized over the batch."""

    def forward(self, units: Tensor) -> Tensor:
        """``units``: float [N, inputs]."""
        return self.normalized(functional.linear(units, self.weight))
