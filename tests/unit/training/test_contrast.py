import numpy as np
import pytest
import torch

from alexnet_training.contrast import contrast


def by_hand(features, labels):
    """Equation 2 of Khosla et al., a photo and a pair at a time."""
    direction = features / np.linalg.norm(features, axis=1, keepdims=True)
    total = 0.0
    for one in range(len(labels)):
        others = [other for other in range(len(labels)) if other != one]
        own = [other for other in others if labels[other] == labels[one]]
        if not own:
            continue
        among = sum(np.exp(direction[one] @ direction[other] / 0.1) for other in others)
        likely = [np.exp(direction[one] @ direction[other] / 0.1) / among for other in own]
        total -= np.log(likely).mean()
    return total / len(labels)


def test_it_is_the_equation():
    features = np.random.default_rng(0).normal(size=(7, 5))
    labels = np.array([0, 1, 0, 2, 1, 0, 3])
    found = contrast(torch.from_numpy(features), torch.from_numpy(labels))
    assert found.item() == pytest.approx(by_hand(features, labels))


def test_its_gradient_is_finite_where_features_are_zero_or_alone():
    features = torch.zeros(3, 4, requires_grad=True)
    contrast(features, torch.tensor([0, 1, 2])).backward()
    assert features.grad.isfinite().all()
    alone = torch.randn(1, 4, requires_grad=True)
    found = contrast(alone, torch.tensor([5]))
    found.backward()
    assert found.item() == 0
    assert alone.grad.isfinite().all()


def test_it_draws_a_class_together():
    features = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(20) % 2
    optimizer = torch.optim.Adam([features], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        contrast(features, labels).backward()
        optimizer.step()
    alike = torch.nn.functional.normalize(features.detach(), dim=1)
    alike = alike @ alike.T
    same = labels[:, None] == labels
    assert alike[same].min() > alike[~same].max()
