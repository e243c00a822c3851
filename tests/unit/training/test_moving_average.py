import pytest
import torch

from alexnet_training.initialization import initial_tensors
from alexnet_training.moving_average import MovingAverage
from alexnet_training.network import TwoTowers, load_tensors
from tests.random_checkpoint import NARROW

DECAY = 0.9
EVERY = 8


@pytest.fixture
def network():
    network = TwoTowers(NARROW, 2, batch_norm=True)
    load_tensors(network, initial_tensors(NARROW, 2, "he", seed=0))
    return network


def walk(network, average, steps, first=0):
    """The classifier's bias is the number of the step."""
    bias = network.get_parameter("fc8.bias")
    seen = []
    for step in range(first, first + steps):
        with torch.no_grad():
            bias.fill_(float(step))
        average.after_step()
        seen.append(average.network.get_parameter("fc8.bias")[0].item())
    return seen


def test_it_follows_by_its_decay(network):
    average = MovingAverage(network, DECAY)
    seen = walk(network, average, 40 * EVERY)
    expected = None
    for count, step in enumerate(range(EVERY - 1, 40 * EVERY, EVERY)):
        kept = min(DECAY**EVERY, (1 + count) / (10 + count))
        expected = float(step) if expected is None else kept * expected + (1 - kept) * step
        assert seen[step] == pytest.approx(expected, rel=1e-5)
    assert average.network is not network


def test_what_was_taken_up_goes_on_the_same(network):
    average = MovingAverage(network, DECAY)
    walk(network, average, 29)
    resumed = MovingAverage(network, DECAY)
    resumed.restore(average.state())
    assert walk(network, resumed, 30, 29) == walk(network, average, 30, 29)


def test_statistics_of_batch_norm_are_averaged_too(network):
    average = MovingAverage(network, DECAY)
    layer = network.towers[0].get_submodule("conv1")
    with torch.no_grad():
        layer.running_mean.fill_(5.0)
    for _ in range(EVERY):
        average.after_step()
    averaged = average.network.towers[0].get_submodule("conv1").running_mean
    assert averaged[0].item() == pytest.approx(5.0)
