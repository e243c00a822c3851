from __future__ import annotations

import ast
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet_pixels.thumbnail import thumbnail
from alexnet_pixels.views import views

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize("side", [1, 224, 227, 256])
def test_views_of_another_side_reach_from_corner_to_corner(pixels: np.ndarray, side: int) -> None:
    last, middle = 256 - side, (256 - side) // 2
    found = views(pixels, 10, side)
    assert found.shape == (10, side, side, 3)
    assert np.array_equal(found[2], views(pixels, 1, side)[0])
    assert np.array_equal(found[2], pixels[middle : middle + side, middle : middle + side])
    assert np.array_equal(found[0], pixels[:side, :side])
    assert np.array_equal(found[4], pixels[last:, last:])


@pytest.mark.parametrize("side", [0, 257])
def test_a_side_that_no_view_has_is_refused(pixels: np.ndarray, side: int) -> None:
    with pytest.raises(ValueError, match=f"{side} pixels"):
        views(pixels, 1, side)


def test_whoever_cuts_views_says_of_which_side() -> None:
    """The default is the paper's; what is deployed may take others."""
    calls = [
        (path, call)
        for folder in ("server", "export", "training", "client", "benchmarks")
        for path in ROOT.joinpath(folder).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "views"
    ]
    assert len(calls) >= 5
    for path, call in calls:
        assert len(call.args) == 3, f"{path.relative_to(ROOT)}:{call.lineno}"


def test_other_counts_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="1, 10"):
        views(pixels, 2)


def test_thumbnail_is_a_small_jpeg_without_metadata(pixels: np.ndarray) -> None:
    image = Image.open(io.BytesIO(thumbnail(pixels)))
    assert (image.format, image.size) == ("JPEG", (192, 192))
    assert not image.getexif()
