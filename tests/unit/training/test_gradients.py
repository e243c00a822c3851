"""What the network learns from a batch, against the formulas in NumPy."""

import numpy as np
import pytest
import torch

from alexnet_training.network.initialization import initial_tensors
from alexnet_training.network.two_towers import TwoTowers, load_tensors
from alexnet_training.photos.mixing import mixed_loss
from tests.random_checkpoint import NARROW
from tests.unit.training.paper_formulas import learn

CLASSES = 4


@pytest.fixture(scope="module")
def learned():
    """Loss and gradients of one batch: the formulas', and the network's in float64."""
    chance = np.random.default_rng(3)
    images = chance.normal(size=(3, 3, 224, 224)) * 40
    labels = np.array([2, 0, 3])
    tensors = initial_tensors(NARROW, CLASSES, "he", seed=1)
    for name, tensor in tensors.items():
        if name.endswith("bias"):
            tensor.copy_(torch.from_numpy(chance.normal(size=tensor.shape)))
    formulas = learn({name: t.double().numpy() for name, t in tensors.items()}, images, labels)
    network = TwoTowers(NARROW, CLASSES, dropout=0.0).double().train()
    load_tensors(network, {name: tensor.double() for name, tensor in tensors.items()})
    logits = network(torch.from_numpy(images)).logits
    loss = mixed_loss(logits, torch.from_numpy(labels), None, 0.0)
    loss.backward()
    gradients = {}
    for tower in ("tower0", "tower1"):
        for name, part in network.get_submodule(tower).named_parameters():
            gradients.setdefault(name, []).append(part.grad.numpy())
    for name, part in network.get_submodule("fc8").named_parameters():
        gradients[f"fc8.{name}"] = [part.grad.numpy()]
    found = {name: np.concatenate(parts) for name, parts in gradients.items()}
    return formulas, (loss.item(), found)


def test_the_loss_is_that_of_the_formulas(learned):
    (expected, _), (found, _) = learned
    assert expected > 0.1
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("layer", NARROW.layer_names)
def test_the_gradients_are_those_of_the_formulas(learned, layer):
    (_, expected), (_, found) = learned
    for kind in ("weight", "bias"):
        wanted = expected[f"{layer}.{kind}"]
        scale = np.abs(wanted).max()
        assert scale > 0
        np.testing.assert_allclose(found[f"{layer}.{kind}"], wanted, atol=1e-9 * scale)
