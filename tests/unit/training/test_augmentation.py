from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet_export.dialects import CAFFE
from alexnet_pixels.views import views
from alexnet_training.photos.augmentation import Draw, colour_axes, cut, draw, network_input
from alexnet_training.presets import PRESETS

PAPER = PRESETS["paper"]
STILL = {"crops": False, "mirror": False, "colour_noise": 0.0}
AXES = np.eye(3, dtype=np.float32)


def still(count=1, top=16, left=16, mirrored=False):
    box = np.array([left, top, left + 224, top + 224], dtype=np.float64)
    return Draw(
        224,
        np.tile(box, (count, 1)),
        np.full(count, mirrored),
        np.zeros((count, 3), dtype=np.float32),
    )


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)


def test_offsets_reach_from_0_to_32_and_half_is_mirrored():
    drawn = draw(PAPER, AXES, 5000, np.random.default_rng(1))
    for offsets in drawn.boxes.T[:2]:
        assert set(offsets.tolist()) == set(range(33))
    assert 0.45 < drawn.mirrored.mean() < 0.55
    assert np.corrcoef(drawn.boxes.T[:2])[0, 1] < 0.05


def test_a_recipe_draws_the_same_crops_as_ever():
    drawn, chance = draw(PAPER, AXES, 8, np.random.default_rng(7)), np.random.default_rng(7)
    assert drawn.side == 224
    assert drawn.boxes[:, 1].tolist() == chance.integers(0, 33, 8).tolist()
    assert drawn.boxes[:, 0].tolist() == chance.integers(0, 33, 8).tolist()
    assert drawn.mirrored.tolist() == (chance.random(8) < 0.5).tolist()


def test_another_dialects_crops_are_as_large_as_its_views(pictures):
    recipe, rows = replace(PAPER, dialect=CAFFE.name), np.array([0, 2])
    drawn = draw(recipe, AXES, 5000, np.random.default_rng(1))
    for offsets in drawn.boxes.T[:2]:
        assert set(offsets.tolist()) == set(range(30))
    drawn = draw(replace(recipe, **STILL), AXES, 2, np.random.default_rng(1))
    served = np.concatenate([views(pictures[row], 1, 227) for row in rows])
    assert (cut(pictures, rows, drawn) == served).all()


def test_noise_is_drawn_once_a_photo_with_deviation_a_tenth_along_every_axis():
    axes = np.array([[3, 0, 0], [0, 20, 0], [0, 0, 50]], dtype=np.float32)
    drawn = draw(PAPER, axes, 20_000, np.random.default_rng(2))
    assert drawn.shifts.shape == (20_000, 3)
    assert drawn.shifts.std(axis=0) == pytest.approx([0.3, 2, 5], rel=0.03)
    assert len(np.unique(drawn.shifts[:, 0])) > 19_000
    assert drawn.colours is None


def test_axes_are_eigenvectors_as_long_as_the_deviation():
    pixels = np.random.default_rng(3).normal(size=(50_000, 3)) @ np.diag([2.0, 10.0, 30.0])
    covariance = np.cov(pixels.T)
    axes = colour_axes(covariance)
    np.testing.assert_allclose(axes @ axes.T, covariance, rtol=1e-4, atol=1e-3)
    assert np.linalg.norm(axes, axis=0) == pytest.approx([2, 10, 30], rel=0.02)


def test_without_chance_every_photo_is_its_centre():
    recipe = replace(PAPER, **STILL)
    drawn = draw(recipe, AXES, 4, np.random.default_rng(4))
    assert drawn.boxes.tolist() == [[16, 16, 240, 240]] * 4
    assert not drawn.mirrored.any()
    assert not drawn.shifts.any()


def test_cut_takes_the_crop_then_mirrors_it(pictures):
    rows = np.array([2, 0])
    plain = cut(pictures, rows, still(2, top=0, left=32))
    assert (plain == pictures[[2, 0], :224, 32:]).all()
    mirrored = cut(pictures, rows, still(2, top=0, left=32, mirrored=True))
    assert (mirrored == plain[:, :, ::-1]).all()


def test_the_network_sees_pixel_plus_noise_minus_mean_times_scale(pictures):
    mean = torch.rand(224, 224, 3) * 255
    noise = np.array([[1, 2, 3], [0, 0, -9]], dtype=np.float32)
    drawn = replace(still(2), shifts=noise)
    crops = cut(pictures, np.array([1, 2]), drawn)
    seen = network_input(crops, mean, 0.5, drawn)
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


def test_colours_are_changed_around_the_mean(pictures):
    mean = torch.rand(224, 224, 3) * 255
    colours = np.random.default_rng(5).normal(size=(2, 3, 3)).astype(np.float32)
    shifts = np.array([[1, 2, 3], [0, 0, -9]], dtype=np.float32)
    drawn = replace(still(2), shifts=shifts, colours=colours)
    crops = cut(pictures, np.array([0, 1]), drawn)
    seen = network_input(crops, mean, 0.25, drawn)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    centred = crops.astype(np.float64) - mean.numpy()
    expected = np.einsum("nij,nhwj->nihw", colours, centred) + shifts[:, :, None, None]
    np.testing.assert_allclose(seen.numpy(), expected * 0.25, atol=1e-3)


def test_crops_of_any_size_cover_the_shares_asked_for_and_lie_inside():
    drawn = draw(replace(PAPER, least_area=0.3), AXES, 4000, np.random.default_rng(6))
    left, upper, right, lower = drawn.boxes.T
    assert min(left.min(), upper.min()) >= 0
    assert max(right.max(), lower.max()) <= 256 + 1e-9
    shares = (right - left) * (lower - upper) / 256**2
    assert 0.3 - 1e-9 <= shares.min() < 0.31
    assert 0.98 < shares.max() <= 1
    ratios = (right - left) / (lower - upper)
    assert 3 / 4 - 1e-9 <= ratios.min() < 0.76
    assert 1.32 < ratios.max() <= 4 / 3 + 1e-9


def test_a_resized_crop_is_the_box_seen_at_224(pictures):
    smooth = np.zeros((1, 256, 256, 3), dtype=np.uint8)
    smooth[0] = np.arange(256)[None, :, None]  # brighter to the right
    box = np.array([[64.0, 32.0, 192.0, 160.0]])
    crop = cut(smooth, np.array([0]), replace(still(), boxes=box))[0]
    expected = 64 + (np.arange(224) + 0.5) * 128 / 224 - 0.5
    np.testing.assert_allclose(crop[112, :, 0], expected, atol=1)
    whole = cut(pictures[:1], np.array([0]), replace(still(), boxes=np.array([[0, 0, 256, 256.0]])))
    assert whole.shape == (1, 224, 224, 3)


def test_jitter_leaves_grey_grey_and_changes_brightness_contrast_and_saturation():
    recipe = replace(PAPER, colour_noise=0.0, colour_jitter=0.4)
    drawn = draw(recipe, AXES, 5000, np.random.default_rng(7))
    assert drawn.shifts.shape == (5000, 3)
    assert np.ptp(drawn.shifts, axis=1).max() == 0  # the same for red, green and blue
    assert np.abs(drawn.shifts).max() == pytest.approx(0.4 * 255 / 2, rel=0.01)
    grey = drawn.colours @ np.ones(3)  # what becomes of a grey: grey, more or less of it
    assert np.ptp(grey, axis=1).max() < 1e-5
    assert grey.min() == pytest.approx(0.6, abs=0.01)
    assert grey.max() == pytest.approx(1.4, abs=0.01)
    red = drawn.colours[:, :, 0]
    saturation = (red[:, 0] - red[:, 1]) / grey[:, 0]  # of a pure colour
    assert saturation.min() == pytest.approx(0.6, abs=0.01)
    assert saturation.max() == pytest.approx(1.4, abs=0.01)


def test_the_source_divides_what_it_has_added_noise_to():
    recipe = PRESETS["source"]
    drawn = draw(recipe, AXES, 3, np.random.default_rng(8))
    np.testing.assert_allclose(
        drawn.colours, np.broadcast_to(np.eye(3) / 1.1, (3, 3, 3)), rtol=1e-6
    )
    plain = draw(replace(recipe, divide_noisy=False), AXES, 3, np.random.default_rng(8))
    np.testing.assert_allclose(drawn.shifts, plain.shifts / 1.1, rtol=1e-6)
    late = draw(recipe, AXES, 3, np.random.default_rng(8), noise=False)
    assert late.colours is None
    assert not late.shifts.any()
