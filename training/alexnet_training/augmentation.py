"""From decoded photos to what the network sees: crop, mirror, colour noise, mean, scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alexnet_export.layers import DIALECTS
from alexnet_pixels.square import SIDE, Pixels
from alexnet_training.recipe import Recipe


@dataclass(frozen=True)
class Draw:
    """What chance decided for crops of ``n`` photos, ``side`` pixels a side.

    ``tops`` and ``lefts``: int64 [n] in 0..256-side; ``mirrored``: bool [n]; ``noise``: float32
    [n, 3], added to every pixel's red, green and blue.
    """

    side: int
    tops: npt.NDArray[np.int64]
    lefts: npt.NDArray[np.int64]
    mirrored: npt.NDArray[np.bool_]
    noise: npt.NDArray[np.float32]


def colour_axes(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Columns: the principal axes of RGB, each as long as the deviation along it, [3, 3].

    Section 4.1 multiplies by the eigenvalue of the covariance; with pixels of 0..255 that is
    hundreds of grey values.  The authors' convdata.py takes its root, the standard deviation,
    and so do we.
    """
    values, vectors = np.linalg.eigh(covariance)
    axes: npt.NDArray[np.float32] = (vectors * np.sqrt(np.clip(values, 0, None))).astype(np.float32)
    return axes


def draw(
    recipe: Recipe, axes: npt.NDArray[np.float32], count: int, chance: np.random.Generator
) -> Draw:
    """Draw for ``count`` photos: once a photo and use, the noise too (section 4.1).

    Crops are as large as the recipe's dialect sees; without chance they are the centre, as served.
    """
    side = DIALECTS[recipe.dialect].image_side
    border = SIDE - side
    offsets = border + 1  # of 224, 33: the authors' randint(0, 33); the paper's text counts 32
    middle = np.full(count, border // 2)
    tops = chance.integers(0, offsets, count) if recipe.crops else middle
    lefts = chance.integers(0, offsets, count) if recipe.crops else middle
    mirrored = chance.random(count) < 0.5 if recipe.mirror else np.zeros(count, dtype=bool)
    noise = np.zeros((count, 3), dtype=np.float32)
    if recipe.colour_noise:
        alpha = chance.normal(0.0, recipe.colour_noise, (count, 3))
        noise = (alpha @ axes.T).astype(np.float32)
    return Draw(side, tops, lefts, mirrored, noise)


def cut(photos: Pixels, rows: npt.NDArray[np.int64], drawn: Draw) -> Pixels:
    """Crop and mirror ``photos[rows]``, uint8 [m, 256, 256, 3] -> uint8 [n, side, side, 3]."""
    side = drawn.side
    crops = np.empty((len(rows), side, side, 3), dtype=np.uint8)
    for index, row in enumerate(rows):
        top, left = drawn.tops[index], drawn.lefts[index]
        crop = photos[row, top : top + side, left : left + side]
        crops[index] = crop[:, ::-1] if drawn.mirrored[index] else crop
    return crops


def network_input(
    crops: Pixels, mean: Tensor, scale: float, noise: npt.NDArray[np.float32] | None = None
) -> Tensor:
    """``(pixel + noise - mean) * scale``: uint8 [n, side, side, 3] -> float32 [n, 3, side, side].

    ``mean``: float32 [side, side, 3] on the network's device, the centre of the mean image for
    every crop and never mirrored, as the authors' convdata.py and the served graph have it.
    The result lies in memory as channels_last.
    """
    pixels = torch.from_numpy(crops).to(mean.device).float().sub_(mean)
    if noise is not None and noise.any():
        pixels.add_(torch.from_numpy(noise).to(mean.device)[:, None, None])
    return pixels.mul_(scale).permute(0, 3, 1, 2)
