"""A recipe from the command line: ``--preset``, and one flag a key."""

from __future__ import annotations

import argparse
import typing
from dataclasses import fields, replace
from typing import Literal

from alexnet_training.presets import DEFAULT_PRESET, FROM_PRESET, PRESETS
from alexnet_training.recipe import Recipe, flag


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """``--preset`` and a flag for every key of a recipe, typed as the key is."""
    parser.add_argument(
        "--preset",
        choices=sorted(PRESETS),
        help=f"start from this recipe ({DEFAULT_PRESET}; with --from, {FROM_PRESET})",
    )
    group = parser.add_argument_group("recipe", "each overrides the preset's value")
    kinds = typing.get_type_hints(Recipe)
    for key in fields(Recipe):
        kind, text = kinds[key.name], key.metadata["text"]
        if kind is bool:
            either = argparse.BooleanOptionalAction
            group.add_argument(flag(key.name), action=either, default=None, help=text)
        elif typing.get_origin(kind) is Literal:
            group.add_argument(flag(key.name), choices=typing.get_args(kind), help=text)
        else:
            metavar = kind.__name__.upper()
            group.add_argument(flag(key.name), type=kind, metavar=metavar, help=text)


def recipe_from_flags(options: argparse.Namespace, *, starts_from: bool = False) -> Recipe:
    """The preset with the flags that were given; raises RecipeError.

    ``starts_from``: with the weights of another network, for which there is a preset of its own.
    """
    preset = options.preset or (FROM_PRESET if starts_from else DEFAULT_PRESET)
    given = {key.name: getattr(options, key.name) for key in fields(Recipe)}
    return replace(
        PRESETS[preset],
        **{name: value for name, value in given.items() if value is not None},
    )
