from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from alexnet_pixels.thumbnail import thumbnail
from alexnet_pixels.views import views


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)


def test_one_view_is_the_centre(pixels: np.ndarray) -> None:
    assert np.array_equal(views(pixels), pixels[None, 16:240, 16:240])


def test_ten_views_stand_in_the_sources_order(pixels: np.ndarray) -> None:
    five = [(0, 0), (0, 32), (16, 16), (32, 0), (32, 32)]
    expected = [pixels[top : top + 224, left : left + 224] for top, left in five]
    expected += [view[:, ::-1] for view in expected]
    assert np.array_equal(views(pixels, 10), np.stack(expected))


def test_other_counts_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="1, 10"):
        views(pixels, 2)


def test_thumbnail_is_a_small_jpeg_without_metadata(pixels: np.ndarray) -> None:
    image = Image.open(io.BytesIO(thumbnail(pixels)))
    assert (image.format, image.size) == ("JPEG", (192, 192))
    assert not image.getexif()
