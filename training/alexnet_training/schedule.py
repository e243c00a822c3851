"""The learning rate, as a function of the recipe, the step and what validation said so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alexnet_training.recipe import Recipe

_DROP = 0.1  # section 5: "divide the learning rate by 10"


def learning_rate(recipe: Recipe, step: int, steps: int, accuracies: Sequence[float]) -> float:
    """The rate of one step (from 0) of ``steps`` in all.

    ``accuracies``: validation top-1 of the epochs behind, in order.  Nothing is remembered
    elsewhere, so a resumed run has the same rates as an unbroken one.
    """
    rate = recipe.learning_rate
    climb = recipe.warm_up * steps
    if step + 1 < climb:
        rate *= (step + 1) / climb
    if recipe.schedule == "cosine":
        return rate * 0.5 * (1 + math.cos(math.pi * step / steps))
    return rate * _DROP ** _drops(recipe, accuracies)


def _drops(recipe: Recipe, accuracies: Sequence[float]) -> int:
    drops, best, waited = 0, -math.inf, 0
    for accuracy in accuracies:
        waited = 0 if accuracy > best else waited + 1
        best = max(best, accuracy)
        if waited == recipe.patience and drops < recipe.drops:
            drops, waited = drops + 1, 0
    return drops
