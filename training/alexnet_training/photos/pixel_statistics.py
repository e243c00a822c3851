"""What the photos of a training set are like on average."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_pixels.square import SIDE, Pixels


@dataclass(frozen=True)
class PixelStatistics:
    """``mean``: float32 [256, 256, 3]; ``covariance``: float64 [3, 3] of RGB over all pixels."""

    mean: npt.NDArray[np.float32]
    covariance: npt.NDArray[np.float64]


def pixel_statistics(pixels: Pixels, between: Callable[[], None] = lambda: None) -> PixelStatistics:
    """The training set's mean image (section 2) and the covariance of its colours (section 4.1)."""
    total = np.zeros(pixels.shape[1:], dtype=np.int64)
    products = np.zeros((3, 3))
    for photo in tqdm(pixels, desc="mean image", unit="photo", disable=None):
        between()
        total += photo
        values = photo.reshape(-1, 3).astype(np.float64)
        products += values.T @ values
    mean = total / len(pixels)
    count = len(pixels) * SIDE * SIDE
    colour = total.sum((0, 1)) / count
    covariance = products / count - np.outer(colour, colour)
    return PixelStatistics(mean.astype(np.float32), covariance)
