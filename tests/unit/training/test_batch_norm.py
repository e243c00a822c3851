import numpy as np
import pytest
import torch

from alexnet_training.network.initialization import initial_tensors
from alexnet_training.network.two_towers import TwoTowers, load_tensors, take_tensors
from tests.random_checkpoint import NARROW


@pytest.fixture
def networks():
    """One that normalizes and has seen a few batches, and a plain one with its tensors."""
    torch.manual_seed(0)
    trained = TwoTowers(NARROW, 3, batch_norm=True)
    load_tensors(trained, initial_tensors(NARROW, 3, "he", seed=0))
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.05)
    trained.train()
    for _ in range(4):
        trained(torch.randn(6, 3, 224, 224) + 1).logits.logsumexp(1).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    plain = TwoTowers(NARROW, 3)
    load_tensors(plain, take_tensors(trained))
    return trained.eval(), plain.eval()


@torch.no_grad()
def test_the_kept_network_answers_as_the_normalized_one_at_test(networks):
    trained, plain = networks
    images = torch.randn(5, 3, 224, 224)
    expected, found = trained(images), plain(images)
    for name in ("features", "logits"):
        wanted = getattr(expected, name)
        assert (getattr(found, name) - wanted).abs().max() < 1e-5 * wanted.abs().max(), name


def test_only_the_layers_of_the_paper_are_kept(networks):
    trained, plain = networks
    assert take_tensors(trained).keys() == take_tensors(plain).keys()
    assert len(list(trained.named_parameters())) > len(list(plain.named_parameters()))


def test_sums_are_normalized_by_the_batch_while_training():
    network = TwoTowers(NARROW, 3, batch_norm=True)
    load_tensors(network, initial_tensors(NARROW, 3, "he", seed=0))
    layer = network.towers[0].get_submodule("conv1")
    maps = torch.randn(4, 3, 227, 227) * 7 + 3
    sums = layer.train()(maps).detach().numpy()  # [4, C, 55, 55]
    np.testing.assert_allclose(sums.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(sums.std((0, 2, 3)), 1, atol=1e-2)
    assert abs(layer.eval()(maps).mean().item()) < 10  # by what it remembers, not by the batch


def test_a_last_batch_of_one_photo_can_be_learned(networks):
    trained, _ = networks
    trained.train()(torch.randn(1, 3, 224, 224)).logits.sum().backward()
    assert trained.get_parameter("tower0.fc6.factor").grad.isfinite().all()
