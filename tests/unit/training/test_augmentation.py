from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet_export.layers import CAFFE
from alexnet_pixels.views import views
from alexnet_training.augmentation import Draw, colour_axes, cut, draw, network_input
from alexnet_training.recipe import PRESETS

PAPER = PRESETS["paper"]
STILL = {"crops": False, "mirror": False, "colour_noise": 0.0}
AXES = np.eye(3, dtype=np.float32)


def still(count=1, top=16, left=16, mirrored=False):
    return Draw(
        224,
        np.full(count, top),
        np.full(count, left),
        np.full(count, mirrored),
        np.zeros((count, 3), dtype=np.float32),
    )


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)


def test_offsets_reach_from_0_to_32_and_half_is_mirrored():
    drawn = draw(PAPER, AXES, 5000, np.random.default_rng(1))
    for offsets in (drawn.tops, drawn.lefts):
        assert set(offsets.tolist()) == set(range(33))
    assert 0.45 < drawn.mirrored.mean() < 0.55
    assert np.corrcoef(drawn.tops, drawn.lefts)[0, 1] < 0.05


def test_a_recipe_draws_the_same_crops_as_ever():
    drawn, chance = draw(PAPER, AXES, 8, np.random.default_rng(7)), np.random.default_rng(7)
    assert drawn.side == 224
    assert drawn.tops.tolist() == chance.integers(0, 33, 8).tolist()
    assert drawn.lefts.tolist() == chance.integers(0, 33, 8).tolist()
    assert drawn.mirrored.tolist() == (chance.random(8) < 0.5).tolist()


def test_another_dialects_crops_are_as_large_as_its_views(pictures):
    recipe, rows = replace(PAPER, dialect=CAFFE.name), np.array([0, 2])
    drawn = draw(recipe, AXES, 5000, np.random.default_rng(1))
    for offsets in (drawn.tops, drawn.lefts):
        assert set(offsets.tolist()) == set(range(30))
    drawn = draw(replace(recipe, **STILL), AXES, 2, np.random.default_rng(1))
    served = np.concatenate([views(pictures[row], 1, 227) for row in rows])
    assert (cut(pictures, rows, drawn) == served).all()


def test_noise_is_drawn_once_a_photo_with_deviation_a_tenth_along_every_axis():
    axes = np.array([[3, 0, 0], [0, 20, 0], [0, 0, 50]], dtype=np.float32)
    drawn = draw(PAPER, axes, 20_000, np.random.default_rng(2))
    assert drawn.noise.shape == (20_000, 3)
    assert drawn.noise.std(axis=0) == pytest.approx([0.3, 2, 5], rel=0.03)
    assert len(np.unique(drawn.noise[:, 0])) > 19_000


def test_axes_are_eigenvectors_as_long_as_the_deviation():
    pixels = np.random.default_rng(3).normal(size=(50_000, 3)) @ np.diag([2.0, 10.0, 30.0])
    covariance = np.cov(pixels.T)
    axes = colour_axes(covariance)
    np.testing.assert_allclose(axes @ axes.T, covariance, rtol=1e-4, atol=1e-3)
    assert np.linalg.norm(axes, axis=0) == pytest.approx([2, 10, 30], rel=0.02)


def test_without_chance_every_photo_is_its_centre():
    recipe = replace(PAPER, **STILL)
    drawn = draw(recipe, AXES, 4, np.random.default_rng(4))
    assert drawn.tops.tolist() == drawn.lefts.tolist() == [16] * 4
    assert not drawn.mirrored.any()
    assert not drawn.noise.any()


def test_cut_takes_the_crop_then_mirrors_it(pictures):
    rows = np.array([2, 0])
    plain = cut(pictures, rows, still(2, top=0, left=32))
    assert (plain == pictures[[2, 0], :224, 32:]).all()
    mirrored = cut(pictures, rows, still(2, top=0, left=32, mirrored=True))
    assert (mirrored == plain[:, :, ::-1]).all()


def test_the_network_sees_pixel_plus_noise_minus_mean_times_scale(pictures):
    mean = torch.rand(224, 224, 3) * 255
    crops = cut(pictures, np.array([1, 2]), still(2))
    noise = np.array([[1, 2, 3], [0, 0, -9]], dtype=np.float32)
    seen = network_input(crops, mean, 0.5, noise)
    assert seen.shape == (2, 3, 224, 224)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    expected = (crops.astype(np.float64) + noise[:, None, None] - mean.numpy()) * 0.5
    np.testing.assert_allclose(seen.numpy().transpose(0, 2, 3, 1), expected, atol=1e-4)


def test_the_mean_is_not_mirrored_with_the_photo(pictures):
    mean = torch.from_numpy(pictures[0, 16:240, 16:240].astype(np.float32))
    plain = network_input(cut(pictures, np.array([0]), still()), mean, 1.0)
    mirrored = network_input(cut(pictures, np.array([0]), still(mirrored=True)), mean, 1.0)
    assert plain.abs().max() == 0
    assert mirrored.abs().max() > 100
