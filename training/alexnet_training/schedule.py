"""The learning rate, as a function of the recipe, the step and what validation said so far.

Nothing is remembered elsewhere, so a resumed run has the same rates as an unbroken one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from alexnet_training.recipe import Recipe

_DROP = 0.1  # section 5: "divide the learning rate by 10"

# layers-145.cfg with layer-params-145.cfg (ILSVRC 2012), by its notes: the epochs after which a
# rate, relative to the first, was set by hand.  Runs of other lengths change at the same share.
SOURCE_EPOCHS = 91
_SOURCE_RATES = ((25, 1e-1), (51, 1e-2), (79, 1e-3))
_SOURCE_FIRST_LAYER = ((25, 1e-1), (51, 1e-2), (67, 1e-3), (72, 0.0))
_SOURCE_NOISE_ENDS = 67


def learning_rate(recipe: Recipe, step: int, steps: int, accuracies: Sequence[float]) -> float:
    """The rate of the weights in one step (from 0) of ``steps`` in all.

    ``accuracies``: validation top-1 of the epochs behind, in order.
    """
    rate = recipe.learning_rate
    climb = recipe.warm_up * steps
    if step + 1 < climb:
        rate *= (step + 1) / climb
    if recipe.schedule == "cosine":
        return rate * 0.5 * (1 + math.cos(math.pi * step / steps))
    if recipe.schedule == "source":
        return rate * _set_by_hand(_SOURCE_RATES, step / steps)
    return rate * _DROP ** _drops(recipe, accuracies)


def group_rate(recipe: Recipe, rate: float, done: float, *, is_bias: bool, is_first: bool) -> float:
    """The rate of a group of parameters where that of the weights is ``rate``.

    ``done``: the share of all steps behind, 0 to 1.  ``is_first``: of the first layer, which the
    source stops late in a run.  The source lets the rate of the biases stand when it drops the
    others, but for the first layer's, which ends with its weights'.
    """
    if recipe.schedule == "source":
        first = _set_by_hand(_SOURCE_FIRST_LAYER, done) if is_first else 1.0
        if is_bias:
            return recipe.learning_rate * recipe.bias_rate * float(first > 0)
        return recipe.learning_rate * first if is_first else rate
    return rate * recipe.bias_rate if is_bias else rate


def noise_is_on(recipe: Recipe, done: float) -> bool:
    """Whether colour noise is added when the share ``done`` of all steps is behind."""
    ends = _SOURCE_NOISE_ENDS / SOURCE_EPOCHS if recipe.schedule == "source" else math.inf
    return recipe.colour_noise > 0 and done < ends


def _set_by_hand(changes: Sequence[tuple[int, float]], done: float) -> float:
    epochs = done * SOURCE_EPOCHS
    return next((share for epoch, share in reversed(changes) if epochs >= epoch), 1.0)


def _drops(recipe: Recipe, accuracies: Sequence[float]) -> int:
    drops, best, waited = 0, -math.inf, 0
    for accuracy in accuracies:
        waited = 0 if accuracy > best else waited + 1
        best = max(best, accuracy)
        if waited == recipe.patience and drops < recipe.drops:
            drops, waited = drops + 1, 0
    return drops
