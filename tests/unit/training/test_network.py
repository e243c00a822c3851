from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet_export.dialects import ALEXNET2012, CAFFE, CAFFE224
from alexnet_export.layers import parameter_count, shapes
from alexnet_training.network import grouped, two_towers
from alexnet_training.network.grouped import Grouped
from alexnet_training.network.initialization import initial_tensors
from alexnet_training.network.two_towers import TwoTowers

# Kernels, maps and sizes of section 3.5; parameters by arithmetic.
LAYERS = {
    "conv1": ((48, 3, 11, 11), (48, 55, 55), 34_944),
    "conv2": ((128, 48, 5, 5), (128, 27, 27), 307_456),
    "conv3": ((192, 256, 3, 3), (192, 13, 13), 885_120),
    "conv4": ((192, 192, 3, 3), (192, 13, 13), 663_936),
    "conv5": ((128, 192, 3, 3), (128, 13, 13), 442_624),
    "fc6": ((2048, 9216), (2048,), 37_752_832),
    "fc7": ((2048, 4096), (2048,), 16_781_312),
}


@pytest.fixture(scope="module")
def tensors():
    # He's weights keep the activations of every layer in range, so that nothing hides in zeros.
    found = initial_tensors(ALEXNET2012, 1000, "he", seed=3)
    chance = torch.Generator().manual_seed(4)
    for name, tensor in found.items():
        if name.endswith("bias"):
            tensor.normal_(0, 0.1, generator=chance)
    return found


@pytest.fixture(scope="module")
def towers(tensors):
    built = TwoTowers(ALEXNET2012, 1000).eval()
    two_towers.load_tensors(built, tensors)
    return built


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def answer(towers, images):
    with torch.inference_mode():
        return towers(images)


def pooled(towers, layer, images):
    """What each tower has behind a first layer that reads the pictures."""
    maps = [tower.convolve(layer, images) for tower in towers.towers]
    return [two_towers.max_pool(part, layer) for part in towers.normalized(maps, layer)]


def test_every_layer_of_both_towers_has_the_papers_shape_and_parameters(towers, images):
    seen = {}
    hooks = [
        part.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.shape}))
        for name, part in towers.named_modules()
        if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)
    ]
    with torch.inference_mode():
        towers(images)
    for hook in hooks:
        hook.remove()
    for name, (weight, output, parameters) in LAYERS.items():
        found = 0
        for tower in ("tower0", "tower1"):
            part = towers.get_submodule(f"{tower}.{name}")
            assert tuple(part.weight.shape) == weight
            assert tuple(seen[f"{tower}.{name}"]) == (2, *output)
            found += sum(parameter.numel() for parameter in part.parameters())
        assert found == parameters
    assert sum(parameter.numel() for parameter in towers.fc8.parameters()) == 4_097_000


def test_the_whole_network_has_60_965_224_parameters(towers):
    assert sum(parameter.numel() for parameter in towers.parameters()) == 60_965_224
    assert parameter_count(ALEXNET2012, 1000) == 60_965_224


def test_towers_answer_as_the_grouped_network_on_one_device(tensors, images, answer):
    single = Grouped(ALEXNET2012, 1000).eval()
    grouped.load_tensors(single, tensors)
    with torch.inference_mode():
        other = single(images)
    for ours, theirs in zip(answer, other, strict=True):
        assert ours.abs().max() > 0.1
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_features_are_fc7_after_relu_and_logits_read_all_of_them(towers, answer):
    assert answer.features.shape == (2, 4096)
    assert answer.logits.shape == (2, 1000)
    assert answer.features.min() == 0
    with torch.inference_mode():
        assert torch.allclose(towers.fc8(answer.features), answer.logits, rtol=1e-4, atol=1e-5)


def test_the_norm_does_not_look_across_the_tower_border(towers, tensors, images):
    conv1, norm = ALEXNET2012.convolutions[0], ALEXNET2012.convolutions[0].norm
    with torch.inference_mode():
        own = torch.cat(pooled(towers, conv1, images), dim=1)
        maps = torch.nn.functional.conv2d(
            two_towers.pad(images, conv1), tensors["conv1.weight"], tensors["conv1.bias"], stride=4
        ).relu()
        across = torch.nn.functional.local_response_norm(
            maps, norm.size, norm.alpha, norm.beta, norm.k
        )
        across = two_towers.max_pool(across, conv1)
    apart = (own - across).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert np.flatnonzero(apart).tolist() == [46, 47, 48, 49]


def test_a_norm_that_reaches_both_towers_does(narrow):
    conv1 = replace(narrow.convolutions[0], norm=CAFFE.convolutions[0].norm)
    dialect = replace(narrow, convolutions=(conv1, *narrow.convolutions[1:]))
    built = TwoTowers(dialect, 3)
    tensors = initial_tensors(dialect, 3, "he", seed=1)
    two_towers.load_tensors(built, tensors)
    image = 60 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = torch.cat(pooled(built, conv1, image), dim=1)
        maps = torch.nn.functional.conv2d(
            two_towers.pad(image, conv1), tensors["conv1.weight"], tensors["conv1.bias"], stride=4
        ).relu()
        normed = torch.nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)(maps)
        expected = two_towers.max_pool(normed, conv1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shift", [0, -100])
def test_a_padded_pool_is_one_that_rounds_up(shift):
    conv1 = CAFFE224.convolutions[0]
    maps = torch.randn(2, 4, 54, 54, generator=torch.Generator().manual_seed(2)) + shift
    expected = torch.nn.functional.max_pool2d(maps, 3, 2, ceil_mode=True)
    assert expected.shape == (2, 4, 27, 27)
    assert torch.equal(two_towers.max_pool(maps, conv1), expected)


@pytest.mark.parametrize("kind", [two_towers.TwoTowers, grouped.Grouped])
def test_tensors_come_out_as_they_went_in(narrow, kind):
    module = two_towers if kind is two_towers.TwoTowers else grouped
    built = kind(narrow, 5)  # an odd number of classes: fc8 belongs to no tower
    given = initial_tensors(narrow, 5, "he", seed=1)
    module.load_tensors(built, given)
    taken = module.take_tensors(built)
    assert taken.keys() == given.keys()
    for name, tensor in given.items():
        assert torch.equal(taken[name], tensor)
        assert taken[name].is_contiguous()
    expected = {shape.name: shape.weight for shape in shapes(narrow, 5)}
    assert all(tuple(taken[f"{name}.weight"].shape) == weight for name, weight in expected.items())


def test_dropout_acts_while_training_only(narrow):
    built = TwoTowers(narrow, 3)
    two_towers.load_tensors(built, initial_tensors(narrow, 3, "he", seed=1))
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    with torch.no_grad():
        built.train()
        assert not torch.equal(built(image).logits, built(image).logits)
        built.eval()
        assert torch.equal(built(image).logits, built(image).logits)


def test_conv1_sees_zeros_right_and_bottom_only():
    conv1 = ALEXNET2012.convolutions[0]
    padded = two_towers.pad(torch.ones(1, 3, 224, 224), conv1)
    assert padded.shape == (1, 3, 227, 227)
    assert padded[..., :224, :224].min() == 1
    assert padded[..., 224:, :].max() == 0
    assert padded[..., 224:].max() == 0
