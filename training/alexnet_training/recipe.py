"""How a network is trained, as data: presets, and one command line flag a key."""

from __future__ import annotations

import argparse
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from alexnet_export.layers import DIALECTS
from alexnet_training.errors import RecipeError

Precision = Literal["auto", "fp32", "bf16"]
Initialization = Literal["paper", "source", "he"]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out of the same photos; stored in the checkpoint.

    Without values it is the paper (section 5); numbers that other sections gave carry them.
    Raises RecipeError for a value outside its range.
    """

    dialect: str = "alexnet2012"
    epochs: int = 90
    batch_size: int = 128
    update: Literal["paper", "adamw"] = "paper"
    learning_rate: float = 0.01
    schedule: Literal["plateau", "cosine"] = "plateau"
    warm_up: float = 0.0  # share of all steps in which the rate climbs from 0
    drops: int = 3  # plateau: how often the rate is divided by 10
    patience: int = 5  # plateau: epochs without a better validation before a drop; not in the paper
    momentum: float = 0.9
    second_moment: float = 0.999  # adamw only
    weight_decay: float = 0.0005
    clip: float = 0.0  # largest norm of a step's whole gradient; 0: not clipped
    initialization: Initialization = "paper"
    dropout: float = 0.5  # section 4.2
    label_smoothing: float = 0.0
    crops: bool = True  # section 4.1: a random 224x224 of the 256x256
    mirror: bool = True  # section 4.1
    colour_noise: float = 0.1  # section 4.1: standard deviation of alpha
    scale: float = 1.0  # the network sees (pixel - mean) * scale
    validate_every: int = 1  # epochs; the last is always validated
    precision: Precision = "auto"
    seed: int = 0
    learn_last: int = 0  # layers that are learned, counted from the classifier up; 0: all of them
    below_rate: float = 1.0  # rate of the learned layers below the classifier, over its own

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        ranges: dict[str, tuple[float, float]] = {
            "epochs": (1, 100_000),
            "batch_size": (1, 65_536),
            "learning_rate": (0, 10),
            "warm_up": (0, 1),
            "drops": (0, 100),
            "patience": (1, 100_000),
            "momentum": (0, 0.9999),
            "second_moment": (0, 0.999999),
            "weight_decay": (0, 10),
            "clip": (0, 1e9),
            "dropout": (0, 0.99),
            "label_smoothing": (0, 0.99),
            "colour_noise": (0, 10),
            "scale": (1e-6, 1e3),
            "validate_every": (1, 100_000),
            "seed": (0, 2**32 - 1),
            "learn_last": (0, 100),
            "below_rate": (0, 1),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise RecipeError(f"{flag(name)} is {value}; it must be {least:g} to {most:g}")
        if self.dialect not in DIALECTS:
            raise RecipeError(
                f"--dialect is {self.dialect!r}; known: {', '.join(sorted(DIALECTS))}"
            )
        if self.schedule == "plateau" and self.validate_every != 1:
            raise RecipeError("--schedule plateau looks at every epoch: use --validate-every 1")

    def table(self) -> dict[str, Any]:
        """The recipe as plain JSON values, as it stands in a checkpoint.

        What only fine-tuning has is left out elsewhere: runs that were begun before it go on.
        """
        table = asdict(self)
        for name, value in _WITHOUT_FINE_TUNING.items():
            if table[name] == value:
                del table[name]
        return table


_WITHOUT_FINE_TUNING = {"learn_last": 0, "below_rate": 1.0}

PRESETS: Mapping[str, Recipe] = types.MappingProxyType(
    {
        # Section 5, with section 4 for the augmentation; the defaults above are its numbers.
        "paper": Recipe(),
        # For a few thousand photos on a small machine: the paper's start needs about a million.
        "modern": Recipe(
            epochs=30,
            batch_size=64,
            update="adamw",
            learning_rate=2e-4,
            schedule="cosine",
            warm_up=0.1,
            weight_decay=0.05,
            clip=5.0,
            initialization="he",
            label_smoothing=0.1,
            scale=1 / 58,  # about 1 / standard deviation of photos' pixels: He's weights expect it
        ),
        # Digits of one pen colour: a mirrored 2 is no digit, and grey has no colour to vary.
        "starter": Recipe(
            epochs=2,
            batch_size=32,
            update="adamw",
            learning_rate=3e-4,
            schedule="cosine",
            warm_up=0.1,
            second_moment=0.98,  # looks back 50 steps: there are 92 in all
            weight_decay=0.01,
            initialization="he",
            dropout=0.2,  # half costs twice the epochs for the same top-1
            mirror=False,
            colour_noise=0.0,
            scale=1 / 58,
            validate_every=2,
        ),
        # From another network's weights: a new classifier on layers that stay as they are.
        "finetune": Recipe(
            epochs=10,
            batch_size=64,
            update="adamw",
            learning_rate=1e-3,
            schedule="cosine",
            warm_up=0.1,
            weight_decay=0.05,
            clip=5.0,
            initialization="he",
            label_smoothing=0.1,
            learn_last=1,
            below_rate=0.1,
        ),
    }
)
DEFAULT_PRESET = "modern"
FROM_PRESET = "finetune"


def flag(name: str) -> str:
    """The command line's spelling of a recipe key."""
    return "--" + name.replace("_", "-")


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
        kind = kinds[key.name]
        if kind is bool:
            group.add_argument(
                flag(key.name), action=argparse.BooleanOptionalAction, default=None, help=" "
            )
        elif typing.get_origin(kind) is Literal:
            group.add_argument(flag(key.name), choices=typing.get_args(kind))
        else:
            group.add_argument(flag(key.name), type=kind, metavar=kind.__name__.upper())


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


def difference(former: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The keys in which two recipe tables differ, for a person; empty where they are equal."""
    missing = object()
    return ", ".join(
        f"{name} was {former.get(name)!r} and is now {wanted.get(name)!r}"
        for name in sorted({*former, *wanted})
        if former.get(name, missing) != wanted.get(name, missing)
    )
