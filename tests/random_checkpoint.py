"""Checkpoints of random weights, whole or with few channels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet_export.checkpoint import Checkpoint, save_checkpoint
from alexnet_export.dialects import PAPER_NORM, PAPER_POOL
from alexnet_export.layers import Convolution, Dialect, FullyConnected, shapes
from tests.photos import crops

CLASSES = ("building", "circle", "flower", "lines", "noise", "square")

# The paper's structure with few channels, so that what is not about size takes a second.
NARROW = Dialect(
    name="narrow",
    towers=2,
    image_side=224,
    convolutions=(
        Convolution("conv1", 8, 11, 4, (0, 0, 3, 3), "full", PAPER_NORM, PAPER_POOL),
        Convolution("conv2", 8, 5, 1, (2, 2, 2, 2), "local", PAPER_NORM, PAPER_POOL),
        Convolution("conv3", 12, 3, 1, (1, 1, 1, 1), "full"),
        Convolution("conv4", 12, 3, 1, (1, 1, 1, 1), "local"),
        Convolution("conv5", 8, 3, 1, (1, 1, 1, 1), "local", None, PAPER_POOL),
    ),
    fully_connected=(FullyConnected("fc6", 32), FullyConnected("fc7", 32)),
)

# What HTTP shows of the paper's network, its 96 maps and 4096 features, with little in between.
NARROW_INSIDE = replace(
    NARROW,
    name="narrow_inside",
    convolutions=(replace(NARROW.convolutions[0], channels=96), *NARROW.convolutions[1:]),
    fully_connected=(FullyConnected("fc6", 32), FullyConnected("fc7", 4096)),
)


def write_random_checkpoint(dialect: Dialect, folder: Path, seed: int = 2012) -> None:
    """A run folder: random weights and 12 pictures."""
    random = np.random.default_rng(seed)
    tensors = {"mean": np.full((256, 256, 3), 118, np.float32)}
    for shape in shapes(dialect, len(CLASSES)):
        spread = np.float32(np.sqrt(2 / np.prod(shape.weight[1:])))
        weight = random.standard_normal(shape.weight, dtype=np.float32) * spread
        tensors[f"{shape.name}.weight"] = weight
        tensors[f"{shape.name}.bias"] = random.normal(0, 0.1, shape.weight[0]).astype(np.float32)
    about = "Random weights, for tests: it knows nothing."
    digest = save_checkpoint(Checkpoint(dialect, CLASSES, tensors, 1 / 58, about), folder)
    metrics = {"digest": digest, "top1": 0.25, "top5": 0.75, "n": 12, "history": []}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    np.savez(folder / "pictures.npz", images=crops(12), labels=np.arange(12) % len(CLASSES))
