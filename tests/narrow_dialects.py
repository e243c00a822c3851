"""The dialects of the public networks with few channels, and random weights as an import has them.

Their pixels are not scaled, so that maps are large enough for a norm to have something to do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet_export.checkpoint import Checkpoint, save_checkpoint
from alexnet_export.dialects import CAFFE, CAFFE224, TORCHVISION
from alexnet_export.layers import Dialect, shapes
from tests.photos import crops
from tests.random_checkpoint import CLASSES

_CHANNELS = {"conv1": 16, "conv2": 16, "conv3": 12, "conv4": 12, "conv5": 8}
_UNITS = 32
_RED, _GREEN, _BLUE = 123, 117, 104  # about the mean of photos


def narrowed(dialect: Dialect, channels: dict[str, int], name: str) -> Dialect:
    """The structure of ``dialect`` with few units, and other ``channels`` where they are given."""
    return replace(
        dialect,
        name=f"{name}_{dialect.name}",
        convolutions=tuple(
            replace(layer, channels=channels.get(layer.name, layer.channels))
            for layer in dialect.convolutions
        ),
        fully_connected=tuple(replace(layer, units=_UNITS) for layer in dialect.fully_connected),
    )


NARROW_CAFFE = narrowed(CAFFE, _CHANNELS, "narrow")
NARROW_CAFFE224 = narrowed(CAFFE224, _CHANNELS, "narrow")
NARROW_TORCHVISION = narrowed(TORCHVISION, _CHANNELS, "narrow")
# The real convolutions, so that what crosses between the towers is what it is in the real network.
LIGHT_CAFFE = narrowed(CAFFE, {}, "light")


def random_import(dialect: Dialect, seed: int = 2014) -> Checkpoint:
    """Random weights that keep the activations of every layer in range, as an import has them."""
    random = np.random.default_rng(seed)
    mean = np.array([_RED, _GREEN, _BLUE], np.float32)
    tensors = {"mean": np.broadcast_to(mean, (256, 256, 3)).copy()}
    for shape in shapes(dialect, len(CLASSES)):
        spread = np.sqrt(2 / np.prod(shape.weight[1:]))
        if shape.name == dialect.classifier:
            spread /= 100  # features are that large: probabilities are not to be 0 and 1
        weight = random.standard_normal(shape.weight, dtype=np.float32) * np.float32(spread)
        tensors[f"{shape.name}.weight"] = weight
        tensors[f"{shape.name}.bias"] = random.standard_normal(shape.weight[0], dtype=np.float32)
    about = "Random weights, for tests: it knows nothing."
    return Checkpoint(dialect, CLASSES, tensors, 1.0, about)


def write_random_import(dialect: Dialect, folder: Path, seed: int = 2014) -> None:
    """A run folder of it, with 12 pictures."""
    save_checkpoint(random_import(dialect, seed), folder)
    np.savez(folder / "pictures.npz", images=crops(12), labels=np.arange(12) % len(CLASSES))


def centres(dialect: Dialect, count: int, seed: int = 0) -> np.ndarray:
    """Photos as a dialect sees them, uint8 [count, side, side, 3], no two alike."""
    side = dialect.image_side
    start = (256 - side) // 2
    return np.ascontiguousarray(crops(count, seed)[:, start : start + side, start : start + side])
