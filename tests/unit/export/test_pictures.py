"""Pictures to prove, measure and calibrate on are cut as the checkpoint's dialect sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet_export.pictures import calibration_pictures, measured_pictures, proof_views
from alexnet_pixels.views import views
from tests.photos import crops

KEPT, NAMED = crops(3, seed=1), crops(4, seed=2)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    np.savez(tmp_path / "run" / "pictures.npz", images=KEPT, labels=np.arange(3))
    return tmp_path / "run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, two photos each."""
    for number, one in enumerate(NAMED):
        place = tmp_path / "photos" / ("hat" if number < 2 else "shoe")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(place / f"{number}.png")
    return tmp_path / "photos"


def centres(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.concatenate([views(one, 1, side) for one in pixels])


@pytest.mark.parametrize("side", [224, 227])
def test_pictures_have_the_side_that_is_asked_for(run: Path, folder: Path, side: int) -> None:
    classes = ("hat", "shoe")
    assert np.array_equal(proof_views(run, None, side), centres(KEPT, side))
    assert np.array_equal(proof_views(run, folder, side), centres(NAMED, side))
    kept = measured_pictures(run, None, classes, side)
    named = measured_pictures(run, folder, classes, side)
    assert np.array_equal(kept.images, centres(KEPT, side))
    assert np.array_equal(named.images, centres(NAMED, side))
    assert named.labels.tolist() == [0, 0, 1, 1]
    images, left = calibration_pictures(folder, kept)
    assert np.array_equal(images, centres(NAMED, side))
    assert np.array_equal(left.images, kept.images)
    images, left = calibration_pictures(None, named)
    assert np.array_equal(images, named.images[1::2])
    assert np.array_equal(left.images, named.images[::2])
