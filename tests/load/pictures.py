"""Pictures for a load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from tests.photos import crops

_SIZE = (400, 534)


def write_photos(folder: Path, count: int) -> list[Path]:
    """``count`` JPEGs like clothing photos: 400 x 534, about 35 kB each, no two alike."""
    random = np.random.default_rng(5)
    photos = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    paths = []
    for number in range(count):
        photo = Image.fromarray(photos[number % 2])
        left, top = random.integers(0, [photo.width - 300, photo.height - 400])
        path = folder / f"photo{number}.jpg"
        crop = photo.crop((left, top, left + 300, top + 400))
        crop.resize(_SIZE, Image.Resampling.BICUBIC).save(path, "JPEG", quality=75)
        paths.append(path)
    return paths


def write_small(folder: Path, count: int) -> list[Path]:
    """``count`` JPEGs of 256 x 256, which cost little to decode, no two alike."""
    paths = []
    for number, pixels in enumerate(crops(count, seed=5)):
        path = folder / f"small{number}.jpg"
        Image.fromarray(pixels).save(path, "JPEG", quality=75)
        paths.append(path)
    return paths
