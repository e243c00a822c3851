import numpy as np
import torch

from alexnet_training.update import PaperUpdate


def test_follows_the_papers_equation_through_a_drop_of_the_rate():
    chance = np.random.default_rng(0)
    weights = [chance.normal(size=(4, 3)), chance.normal(size=(4,))]
    decays = [0.0005, 0.0]
    tensors = [torch.tensor(weight, requires_grad=True) for weight in weights]
    optimizer = PaperUpdate(
        [
            {"params": [tensor], "weight_decay": decay}
            for tensor, decay in zip(tensors, decays, strict=True)
        ],
        lr=0.1,
        momentum=0.9,
    )
    velocities = [np.zeros_like(weight) for weight in weights]
    for step in range(30):
        rate = 0.1 if step < 15 else 0.01
        for group in optimizer.param_groups:
            group["lr"] = rate
        for index, tensor in enumerate(tensors):
            gradient = chance.normal(size=tensor.shape)
            tensor.grad = torch.tensor(gradient)
            velocities[index] = (
                0.9 * velocities[index] - decays[index] * rate * weights[index] - rate * gradient
            )
            weights[index] = weights[index] + velocities[index]
        optimizer.step()
        for tensor, weight in zip(tensors, weights, strict=True):
            np.testing.assert_allclose(tensor.detach().numpy(), weight, rtol=1e-12)


def test_differs_from_torchs_rule_only_after_a_drop():
    gradient = torch.ones(3)
    ours, theirs = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    paper = PaperUpdate([ours], lr=0.1, weight_decay=0.0)
    torchs = torch.optim.SGD([theirs], lr=0.1, momentum=0.9)

    def step(rate):
        for optimizer, weight in ((paper, ours), (torchs, theirs)):
            optimizer.param_groups[0]["lr"] = rate
            weight.grad = gradient.clone()
            optimizer.step()

    for _ in range(5):
        step(0.1)
        torch.testing.assert_close(ours, theirs)
    step(0.01)
    assert ours[0] < theirs[0] - 0.1  # the old speed goes on


def test_a_parameter_without_a_gradient_stays():
    weight = torch.ones(2, requires_grad=True)
    PaperUpdate([weight], lr=1.0).step()
    assert weight.tolist() == [1, 1]
