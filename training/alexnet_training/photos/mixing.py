"""Batches whose photos carry a part of another: CutMix and mixup.

CutMix (Yun et al. 2019) replaces a rectangle of a photo by that of another, mixup (Zhang et al.
2018) lays one over the other; the loss counts both labels by what is seen of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from alexnet_training.recipe import Recipe

# Beta distribution of the share: even for CutMix (section 4.1 there), mostly one of both for mixup
# (section 3.1 there).
_CUTMIX = 1.0
_MIXUP = 0.2

Rectangle = tuple[int, int, int, int]  # upper, left, lower, right


@dataclass(frozen=True)
class Mix:
    """``partners``: int64 [n], the row of the batch that each photo gets a part of.

    ``share``: how much of the photo itself is left; ``rectangle`` where the other is, or None where
    it is laid over the whole.
    """

    partners: npt.NDArray[np.int64]
    share: float
    rectangle: Rectangle | None = None

    def of(self, places: npt.NDArray[np.int64]) -> Mix:
        """The same for some of the photos, which get their parts from each other."""
        return replace(self, partners=self.partners[places].argsort().argsort())


def draw_mix(recipe: Recipe, side: int, count: int, chance: np.random.Generator) -> Mix | None:
    """Whether and how a batch of ``count`` photos of ``side`` pixels is mixed."""
    if not recipe.cutmix and not recipe.mixup:
        return None
    kind, partners = chance.random(), chance.permutation(count)
    if kind < recipe.cutmix:
        rectangle = _rectangle(1 - chance.beta(_CUTMIX, _CUTMIX), side, chance)
        upper, left, lower, right = rectangle
        return Mix(partners, 1 - (lower - upper) * (right - left) / side**2, rectangle)
    if kind < recipe.cutmix + recipe.mixup:
        return Mix(partners, float(chance.beta(_MIXUP, _MIXUP)))
    return None


def _rectangle(area: float, side: int, chance: np.random.Generator) -> Rectangle:
    """A square of that share of the picture around any point, as much of it as lies inside."""
    half = int(side * area**0.5 / 2)
    row, column = chance.integers(0, side, 2).tolist()
    return (
        max(0, row - half),
        max(0, column - half),
        min(side, row + half),
        min(side, column + half),
    )


def mixed(images: Tensor, mix: Mix | None) -> Tensor:
    """``images``, float [n, 3, side, side], with their parts of others."""
    if mix is None:
        return images
    others = images[torch.from_numpy(mix.partners).to(images.device)]
    if mix.rectangle is None:
        return images.lerp(others, 1 - mix.share)
    upper, left, lower, right = mix.rectangle
    images[:, :, upper:lower, left:right] = others[:, :, upper:lower, left:right]
    return images


def mixed_loss(logits: Tensor, labels: Tensor, mix: Mix | None, label_smoothing: float) -> Tensor:
    """Mean cross-entropy of ``logits`` [n, classes] with ``labels`` [n] and their partners'."""
    own = functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    if mix is None:
        return own
    theirs = labels[torch.from_numpy(mix.partners).to(labels.device)]
    other = functional.cross_entropy(logits, theirs, label_smoothing=label_smoothing)
    return mix.share * own + (1 - mix.share) * other
