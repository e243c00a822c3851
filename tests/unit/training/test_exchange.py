import numpy as np
import pytest
import torch

from alexnet_export.dialects import ALEXNET2012, CAFFE
from alexnet_training.network import two_towers
from alexnet_training.network.exchange import both, exchanged_numbers
from alexnet_training.network.initialization import initial_tensors
from alexnet_training.network.two_towers import TwoTowers, load_tensors
from tests.random_checkpoint import NARROW

# Two devices that are not equal, and both there on any machine.
ONE, OTHER = torch.device("cpu"), torch.device("cpu", 0)


def placed(dialect, devices):
    towers = TwoTowers(dialect, 3, dropout=0.0).train()
    load_tensors(towers, initial_tensors(dialect, 3, "source", seed=0))
    towers.place(devices)
    return towers


def test_readers_on_one_device_share_what_they_read():
    parts = [torch.ones(2, 3), torch.zeros(2, 3)]
    one, other = both(parts, [ONE, ONE])
    assert one is other
    assert one.tolist() == [[1, 1, 1, 0, 0, 0]] * 2
    one, other = both(parts, [ONE, OTHER])
    assert one is not other
    assert torch.equal(one, other)


@pytest.mark.parametrize("dialect", [NARROW, CAFFE], ids=lambda dialect: dialect.name)
def test_two_devices_answer_and_learn_as_one(dialect):
    side = dialect.image_side
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    found = []
    for devices in ([ONE], [ONE, OTHER]):
        towers = placed(dialect, devices)
        answer = towers(images)
        answer.logits.logsumexp(1).sum().backward()
        gradients = {name: part.grad for name, part in towers.named_parameters()}
        found.append((answer, gradients))
    (one, its), (two, theirs) = found
    assert torch.equal(one.features, two.features)
    assert torch.equal(one.logits, two.logits)
    for name, gradient in its.items():
        scale = gradient.abs().max()
        np.testing.assert_allclose(theirs[name], gradient, atol=1e-5 * scale, err_msg=name)


def crossed(monkeypatch, dialect):
    """Numbers of one picture that a pass reads from the device of another tower."""
    counts = []

    def counting(parts, devices):
        homes = [ONE, OTHER]
        counts.append(
            sum(
                part[0].numel()
                for reader in devices
                for part, home in zip(parts, homes, strict=True)
                if home.index != reader.index
            )
        )
        return both(parts, devices)

    towers = placed(dialect, [ONE, OTHER])
    monkeypatch.setattr(two_towers, "both", counting)
    towers(torch.zeros(1, 3, dialect.image_side, dialect.image_side))
    return counts[:-1]  # the last puts the features together, which training does not need


@pytest.mark.parametrize("dialect", [ALEXNET2012, CAFFE], ids=lambda dialect: dialect.name)
def test_what_is_counted_is_what_crosses(monkeypatch, dialect):
    assert crossed(monkeypatch, dialect) == list(exchanged_numbers(dialect).values())


def test_the_papers_towers_exchange_58_624_numbers_a_picture():
    assert exchanged_numbers(ALEXNET2012) == {
        "conv3": 43_264,
        "fc6": 9_216,
        "fc7": 4_096,
        "fc8": 2_048,
    }
