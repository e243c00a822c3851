"""Random weights of bvlc_alexnet that keep the activations of every layer in range.

The shapes are those of BVLC's train_val.prototxt, written down here once more: nothing comes from
the package under test.
"""

from __future__ import annotations

import math

import numpy as np

Weights = dict[str, np.ndarray]

# [out, in read by one output, kernel, kernel] or [out, in].
BVLC_ALEXNET = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}


def random_weights(seed: int = 2014) -> Weights:
    """``<layer>.weight`` and ``.bias``, for pixels of 0..255 less a mean, BGR."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, shape in BVLC_ALEXNET.items():
        spread = math.sqrt(2 / math.prod(shape[1:]))
        if name == "fc8":
            spread /= 100  # features are that large: probabilities are not to be 0 and 1
        tensors[f"{name}.weight"] = random.standard_normal(shape, np.float32) * np.float32(spread)
        tensors[f"{name}.bias"] = random.standard_normal(shape[0], np.float32)
    return tensors


def thin_weights() -> Weights:
    """Two maps or units a layer: for what is refused before the number of maps is looked at."""
    tensors = {}
    for name, shape in BVLC_ALEXNET.items():
        tensors[f"{name}.weight"] = np.ones((2, 2, *shape[2:]), np.float32)
        tensors[f"{name}.bias"] = np.zeros(2, np.float32)
    return tensors
