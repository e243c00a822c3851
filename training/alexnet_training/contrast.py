"""Features of one class drawn together while a network learns to name it.

The supervised contrastive loss (Khosla et al. 2020, equation 2) on the features themselves:
pictures are searched by their distance, which the loss of the classifier does not ask for.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_TEMPERATURE = 0.1  # section 4.4 there


def contrast(features: Tensor, labels: Tensor) -> Tensor:
    """The loss of a batch: ``features`` [n, 4096] of any length, ``labels`` [n].

    For each photo the mean over the others of its class of minus the logarithm of how likely each
    of them is, among all others, by cosine; photos that are alone in their class count 0.
    """
    direction = functional.normalize(features, dim=1)
    alike = direction @ direction.T / _TEMPERATURE  # [n, n]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    likely = alike.masked_fill(itself, -torch.inf).log_softmax(dim=1).masked_fill(itself, 0.0)
    same = (labels[:, None] == labels) & ~itself
    return -((likely * same).sum(dim=1) / same.sum(dim=1).clamp(min=1)).mean()
