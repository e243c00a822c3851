"""What a run takes over from another network: its layers, of which the first stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_training.errors import RecipeError
from alexnet_training.network.two_towers import Tensors
from alexnet_training.recipe import Recipe


def kept_layers(recipe: Recipe) -> tuple[str, ...]:
    """The layers that stay as they are, in the order of the data.

    Raises RecipeError where more are to be learned than there are.
    """
    names = DIALECTS[recipe.dialect].layer_names
    if recipe.learn_last > len(names):
        raise RecipeError(
            f"--learn-last is {recipe.learn_last}, and {recipe.dialect} has {len(names)} layers "
            f"({', '.join(names)}): 0 learns all of them"
        )
    return names[: -recipe.learn_last] if recipe.learn_last else ()


def from_start(recipe: Recipe, start: Checkpoint, dialect: str | None) -> Recipe:
    """The recipe with the dialect and the scale that the weights of ``start`` are for.

    ``dialect`` is what was asked for by name.  Raises RecipeError where it is another, and where
    more layers are to be learned than there are.
    """
    if dialect not in (None, start.dialect.name):
        raise RecipeError(
            f"the checkpoint of --from has dialect {start.dialect.name}, and --dialect says "
            f"{dialect}: leave it out"
        )
    found = replace(recipe, dialect=start.dialect.name, scale=start.scale)
    kept_layers(found)
    return found


def taken_over(start: Checkpoint, classes: tuple[str, ...]) -> Tensors:
    """Weights and biases of ``start``; those of its classifier only for the same classes."""
    new = () if start.classes == classes else (start.dialect.classifier,)
    return {
        name: torch.from_numpy(tensor)
        for name, tensor in start.tensors.items()
        if name.split(".")[0] not in ("mean", *new)
    }


def in_words(recipe: Recipe, start: Checkpoint, classes: tuple[str, ...]) -> str:
    """Which layers are kept, learned further and new."""
    names, kept = start.dialect.layer_names, kept_layers(recipe)
    further = list(names[len(kept) : -1])
    new = f"learns a new {names[-1]} of {len(classes)} classes"
    if start.classes == classes:
        further, new = [*further, names[-1]], ""
    parts = [
        f"keeps {_span(kept)} as they are" if kept else "",
        f"learns {_span(further)} further" if further else "",
        new,
    ]
    return ", ".join(part for part in parts if part)


def _span(layers: Sequence[str]) -> str:
    return layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
