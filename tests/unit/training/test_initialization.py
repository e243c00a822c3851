import math

import pytest
import torch

from alexnet_export.dialects import ALEXNET2012
from alexnet_training.network.initialization import initial_tensors

ONES = {"conv2", "conv4", "conv5", "fc6", "fc7"}
PAPER = dict.fromkeys(("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"), 0.01)
FAN_IN = {
    "conv1": 363,
    "conv2": 1200,
    "conv3": 2304,
    "conv4": 1728,
    "conv5": 1728,
    "fc6": 9216,
    "fc7": 4096,
}
DEVIATIONS = {
    "paper": PAPER,
    "source": PAPER | {"conv3": 0.03, "conv4": 0.03, "conv5": 0.03},
    "he": PAPER | {name: math.sqrt(2 / count) for name, count in FAN_IN.items()},
}


@pytest.mark.parametrize("initialization", ["paper", "source", "he"])
def test_deviation_and_bias_of_every_layer(initialization):
    tensors = initial_tensors(ALEXNET2012, 100, initialization, seed=7)
    for name, deviation in DEVIATIONS[initialization].items():
        weight = tensors[f"{name}.weight"]
        assert weight.std().item() == pytest.approx(deviation, rel=0.02), name
        assert abs(weight.mean().item()) < deviation * 0.02
        bias = 1.0 if initialization != "he" and name in ONES else 0.0
        assert tensors[f"{name}.bias"].unique().tolist() == [bias], name


def test_the_seed_decides(narrow):
    one, same, other = (initial_tensors(narrow, 3, "he", seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])
