"""Several networks as one: their predictions averaged (paper, section 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from alexnet_export.checkpoint import Checkpoint
from alexnet_pixels.square import Pixels
from alexnet_training.device import ResolvedPrecision
from alexnet_training.errors import UnlikeNetworks
from alexnet_training.evaluation.answers import Answers, network_of, predict


def answers_of(
    checkpoints: Sequence[Checkpoint],
    pixels: Pixels,
    device: torch.device,
    precision: ResolvedPrecision,
    *,
    view_count: int = 1,
    between: Callable[[], None] = lambda: None,
) -> list[Answers]:
    """What each network says of ``pixels``, uint8 [n, 256, 256, 3], one network at a time.

    Raises UnlikeNetworks where they have other classes, or the same in another order.
    """
    first = checkpoints[0]
    for other in checkpoints[1:]:
        if other.classes != first.classes:
            raise UnlikeNetworks(
                "several networks need the same classes in the same order: the first has "
                f"{len(first.classes)}, {', '.join(first.classes[:5])}, ..., another "
                f"{len(other.classes)}, {', '.join(other.classes[:5])}, ..."
            )
    found = []
    for checkpoint in checkpoints:
        network, lens = network_of(checkpoint, device, precision)
        found.append(predict(network, pixels, lens, view_count, between))
    return found


def averaged(answers: Sequence[Answers]) -> Answers:
    """The mean of the probabilities, and the features of the first.

    The units of one network's last hidden layer have nothing to do with those of another's, so
    that a mean of features would mean nothing.
    """
    together = np.mean([each.probabilities for each in answers], axis=0)
    return Answers(together, answers[0].features)
