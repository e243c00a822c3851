"""The public networks, and the paper's on one device, in plain PyTorch as they are written down.

Nothing here comes from the layer table: that both say the same is what tests are to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

Tensors = Mapping[str, np.ndarray]


class PlainNetwork(nn.Module):
    """``layers`` up to the last hidden one, then the classifier ``fc8``."""

    def __init__(self, tensors: Tensors, *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.fc8 = nn.Sequential(*layers), linear(tensors, "fc8")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of ``images``, float [N, 3, side, side], RGB, mean-free."""
        features = self.layers(images)
        return features, self.fc8(features)


def convolution(tensors: Tensors, name: str, **settings: int) -> nn.Conv2d:
    """One convolution with its weights; its parameters are called as in the checkpoint."""
    weight = torch.from_numpy(tensors[f"{name}.weight"])
    out, fan_in, kernel, _ = weight.shape
    made = nn.Conv2d(fan_in * settings.get("groups", 1), out, kernel, **settings)
    return _filled(made, tensors, name)


def linear(tensors: Tensors, name: str) -> nn.Linear:
    """One fully connected layer with its weights."""
    out, fan_in = tensors[f"{name}.weight"].shape
    return _filled(nn.Linear(fan_in, out), tensors, name)


def caffe(tensors: Tensors) -> PlainNetwork:
    """bvlc_alexnet's train_val.prototxt: group 2, LRN over all channels, pooling that rounds up."""

    def norm() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return PlainNetwork(
        tensors,
        *(convolution(tensors, "conv1", stride=4), nn.ReLU(), norm(), pool()),
        *(convolution(tensors, "conv2", padding=2, groups=2), nn.ReLU(), norm(), pool()),
        *(convolution(tensors, "conv3", padding=1), nn.ReLU()),
        *(convolution(tensors, "conv4", padding=1, groups=2), nn.ReLU()),
        *(convolution(tensors, "conv5", padding=1, groups=2), nn.ReLU(), pool()),
        *(nn.Flatten(), linear(tensors, "fc6"), nn.ReLU(), linear(tensors, "fc7"), nn.ReLU()),
    )


def onetower(tensors: Tensors) -> PlainNetwork:
    """The 2012 network without groups: zeros right and bottom, LRN over all channels with k 2."""

    def norm() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    return PlainNetwork(
        tensors,
        *(nn.ZeroPad2d((0, 3, 0, 3)), convolution(tensors, "conv1", stride=4), nn.ReLU()),
        *(norm(), nn.MaxPool2d(3, 2), convolution(tensors, "conv2", padding=2), nn.ReLU()),
        *(norm(), nn.MaxPool2d(3, 2), convolution(tensors, "conv3", padding=1), nn.ReLU()),
        *(convolution(tensors, "conv4", padding=1), nn.ReLU()),
        *(convolution(tensors, "conv5", padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Flatten(), linear(tensors, "fc6"), nn.ReLU(), linear(tensors, "fc7"), nn.ReLU()),
    )


def torchvision(tensors: Tensors) -> PlainNetwork:
    """torchvision.models.alexnet, by its documented table; its dropout does nothing at test."""
    return PlainNetwork(
        tensors,
        *(convolution(tensors, "conv1", stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(convolution(tensors, "conv2", padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(convolution(tensors, "conv3", padding=1), nn.ReLU()),
        *(convolution(tensors, "conv4", padding=1), nn.ReLU()),
        *(convolution(tensors, "conv5", padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Flatten(), linear(tensors, "fc6"), nn.ReLU(), linear(tensors, "fc7"), nn.ReLU()),
    )


Plain = Callable[[Tensors], PlainNetwork]


def gradients(network: PlainNetwork) -> dict[str, Tensor]:
    """What a backward pass left in every parameter, named as in a checkpoint."""
    named = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return {
        f"{layer.checkpoint_name}.{kind}": getattr(layer, kind).grad
        for layer in named
        for kind in ("weight", "bias")
    }


def _filled(layer: nn.Module, tensors: Tensors, name: str) -> nn.Module:
    layer.checkpoint_name = name
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(tensors[f"{name}.weight"]))
        layer.bias.copy_(torch.from_numpy(tensors[f"{name}.bias"]))
    return layer
