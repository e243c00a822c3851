"""Real pictures that come with a package the tests need anyway."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_sample_image


def crops(count: int, seed: int = 0) -> np.ndarray:
    """Photo crops, uint8 [count, 256, 256, 3], no two alike."""
    random = np.random.default_rng(seed)
    photos = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    found = []
    for number in range(count):
        photo = photos[number % 2]
        top, left = random.integers(0, [photo.shape[0] - 256, photo.shape[1] - 256])
        found.append(photo[top : top + 256, left : left + 256])
    return np.stack(found)
