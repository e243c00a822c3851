"""The first weights and biases of a network, as checkpoint tensors."""

from __future__ import annotations

import math

import torch

from alexnet_export.layers import Dialect, LayerShape, shapes
from alexnet_training.network.two_towers import Tensors
from alexnet_training.recipe import Initialization

PAPER_DEVIATION = 0.01  # section 5: N(0, 0.01) in every layer
# The authors' layer-params-145.cfg has more in these three layers.
SOURCE_DEVIATIONS = {"conv3": 0.03, "conv4": 0.03, "conv5": 0.03}
# Section 5: "second, fourth, and fifth convolutional layers, as well as ... the fully-connected
# hidden layers"; the authors' source has the same.
BIASED = ("conv2", "conv4", "conv5", "fc6", "fc7")


def initial_tensors(
    dialect: Dialect, classes: int, initialization: Initialization, seed: int
) -> Tensors:
    """``<layer>.weight`` and ``.bias`` of both towers together, float32.

    The same for every layout of the network and every device: drawn on the CPU from ``seed``.
    ``he`` is N(0, sqrt(2 / inputs)) with biases 0 (He et al. 2015, section 2.2), and the paper's
    deviation in the classifier, so that training starts from even odds.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for shape in shapes(dialect, classes):
        deviation = _deviation(dialect, shape, initialization)
        weight = torch.empty(shape.weight).normal_(0.0, deviation, generator=generator)
        bias = float(initialization != "he" and shape.name in BIASED)
        tensors[f"{shape.name}.weight"] = weight
        tensors[f"{shape.name}.bias"] = torch.full(shape.weight[:1], bias)
    return tensors


def _deviation(dialect: Dialect, shape: LayerShape, initialization: Initialization) -> float:
    if initialization == "he" and shape.name != dialect.classifier:
        return math.sqrt(2.0 / math.prod(shape.weight[1:]))
    if initialization == "source":
        return SOURCE_DEVIATIONS.get(shape.name, PAPER_DEVIATION)
    return PAPER_DEVIATION
