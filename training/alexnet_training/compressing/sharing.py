"""Weights that share a value stay equal while they learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from alexnet_export.shared_values import MOST_VALUES, SharedValues


@dataclass(frozen=True)
class Together:
    """A layer's weights, tower by tower, with the places that hold a value and its index.

    ``places`` and ``indices``: int64 [n], of a tower's weight in C order.
    """

    weights: tuple[nn.Parameter, ...]
    places: tuple[Tensor, ...]
    indices: tuple[Tensor, ...]

    @classmethod
    def of(cls, shared: SharedValues, weights: Sequence[nn.Parameter]) -> Together:
        """What ``shared`` says of a layer whose rows ``weights`` hold, as many in each."""
        size = weights[0].numel()
        places = np.arange(len(shared.indices)) if shared.places is None else shared.places
        borders = np.searchsorted(places, [size * number for number in range(1, len(weights))])
        device = weights[0].device
        own = np.split(places, borders)
        indices = np.split(shared.indices.astype(np.int64), borders)
        return cls(
            tuple(weights),
            tuple(
                torch.from_numpy(one - size * number).to(device) for number, one in enumerate(own)
            ),
            tuple(torch.from_numpy(one).to(device) for one in indices),
        )

    @torch.no_grad()
    def average_gradients(self) -> None:
        """Weights of one index get one gradient, the mean of theirs; places without a value none.

        Their sum is the gradient of the value (Han et al. 2016, section 3.3).  How long it is makes
        no difference to Adam, but would to a clipped gradient.
        """
        device = self.weights[0].device
        total, count = torch.zeros(2, MOST_VALUES, device=device)
        gradients = [_gradient(weight) for weight in self.weights]
        for gradient, places, indices in zip(gradients, self.places, self.indices, strict=True):
            own = gradient.flatten()[places]
            total.index_add_(0, indices, own)
            count.index_add_(0, indices, torch.ones_like(own))
        mean = total / count.clamp_min(1)
        for gradient, places, indices in zip(gradients, self.places, self.indices, strict=True):
            flat = torch.zeros(gradient.numel(), device=device)
            flat[places] = mean[indices]
            gradient.copy_(flat.view(gradient.shape))


def _gradient(weight: nn.Parameter) -> Tensor:
    if weight.grad is None:
        raise RuntimeError("a weight has no gradient: the loss does not read it")
    return weight.grad
