from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from alexnet_training.photos.mixing import Mix, draw_mix, mixed, mixed_loss
from alexnet_training.presets import PRESETS

PAPER = PRESETS["paper"]


@pytest.fixture
def images():
    return torch.arange(3.0).reshape(3, 1, 1, 1).expand(3, 3, 8, 8).clone()  # of 0, 1, 2


def drawn(count=400, **shares):
    recipe, chance = replace(PAPER, **shares), np.random.default_rng(0)
    return [draw_mix(recipe, 224, 6, chance) for _ in range(count)]


def test_nothing_is_mixed_nor_drawn_unless_asked_for():
    chance = np.random.default_rng(0)
    assert draw_mix(PAPER, 224, 6, chance) is None
    assert chance.random() == np.random.default_rng(0).random()


def test_the_recipe_says_how_many_batches_are_mixed_and_how():
    found = drawn(cutmix=0.3, mixup=0.2)
    assert sum(mix is None for mix in found) == pytest.approx(200, abs=30)
    cut = [mix for mix in found if mix is not None and mix.rectangle]
    assert len(cut) == pytest.approx(120, abs=25)
    assert all(sorted(mix.partners.tolist()) == list(range(6)) for mix in cut)


def test_a_rectangle_lies_inside_and_what_is_left_is_the_share():
    for mix in drawn(cutmix=1.0):
        upper, left, lower, right = mix.rectangle
        assert 0 <= upper <= lower <= 224
        assert 0 <= left <= right <= 224
        assert mix.share == pytest.approx(1 - (lower - upper) * (right - left) / 224**2)


def test_a_rectangle_of_the_partner_takes_its_place(images):
    mix = Mix(np.array([1, 2, 0]), 1 - 6 / 64, (1, 2, 3, 5))
    seen = mixed(images.clone(), mix)
    assert (seen[:, :, 1:3, 2:5] == images.roll(-1, 0)[:, :, 1:3, 2:5]).all()
    seen[:, :, 1:3, 2:5] = images[:, :, 1:3, 2:5]
    assert torch.equal(seen, images)


def test_mixup_lays_the_partner_over_the_photo(images):
    seen = mixed(images.clone(), Mix(np.array([1, 2, 0]), 0.75))
    torch.testing.assert_close(seen, 0.75 * images + 0.25 * images.roll(-1, 0))


def test_the_loss_counts_both_labels_by_their_share():
    logits, labels = torch.randn(3, 5), torch.tensor([0, 3, 1])
    mix = Mix(np.array([2, 0, 1]), 0.7)
    hot = 0.7 * functional.one_hot(labels, 5) + 0.3 * functional.one_hot(labels[[2, 0, 1]], 5)
    hot = 0.9 * hot + 0.1 / 5
    expected = -(hot * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(mixed_loss(logits, labels, mix, 0.1), expected)
    plain = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(mixed_loss(logits, labels, None, 0.0), plain)


def test_a_share_of_the_batch_gets_its_parts_from_itself():
    mix = Mix(np.array([4, 2, 0, 5, 1, 3]), 0.5, (0, 0, 2, 2))
    own = mix.of(np.array([1, 3, 5]))
    assert sorted(own.partners.tolist()) == [0, 1, 2]
    assert (own.share, own.rectangle) == (0.5, (0, 0, 2, 2))
