"""How a network is trained, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from alexnet_export.dialects import DIALECTS
from alexnet_training.errors import RecipeError

Precision = Literal["auto", "fp32", "bf16"]
Initialization = Literal["paper", "source", "he"]


def _key(default: Any, text: str) -> Any:  # noqa: ANN401 (as dataclasses.field)
    """A key of the recipe, and what it says, for the command line and docs/training.md."""
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out of the same photos; stored in the checkpoint.

    Without values it is the paper (section 5); numbers that other sections gave carry them.
    Raises RecipeError for a value outside its range.
    """

    dialect: str = _key("alexnet2012", "the network (docs/networks.md)")
    epochs: int = _key(90, "passes over the training photos")
    batch_size: int = _key(128, "photos a step")
    update: Literal["paper", "adamw"] = _key("paper", "the paper's, or AdamW")
    learning_rate: float = _key(0.01, "the highest")
    bias_rate: float = _key(1.0, "rate of the biases over that of the weights")
    schedule: Literal["plateau", "source", "cosine"] = _key(
        "plateau", "when the rate falls: at a standstill, at the source's epochs, as a cosine"
    )
    warm_up: float = _key(0.0, "share of all steps in which the rate climbs from 0")
    drops: int = _key(3, "plateau: how often the rate is divided by 10")
    patience: int = _key(5, "plateau: epochs at a standstill before a drop; not in the paper")
    momentum: float = _key(0.9, "of the update")
    second_moment: float = _key(0.999, "of AdamW")
    weight_decay: float = _key(0.0005, "of the weights, not of the biases")
    clip: float = _key(0.0, "largest norm of a step's whole gradient; 0: not clipped")
    initialization: Initialization = _key(
        "paper", "the first weights: the text's, the source's or He's"
    )
    batch_norm: bool = _key(
        False, "while training; folded into weights and biases before they are kept"
    )
    dropout: float = _key(0.5, "share of the hidden units (section 4.2)")
    label_smoothing: float = _key(0.0, "share of a label that is spread over all classes")
    contrast: float = _key(0.0, "weight of the loss that draws the features of a class together")
    crops: bool = _key(True, "a random 224x224 of the 256x256 (section 4.1)")
    least_area: float = _key(
        0.0, "crops of this share of the picture to all of it, resized; 0: 224x224"
    )
    mirror: bool = _key(True, "half of the photos (section 4.1)")
    colour_noise: float = _key(0.1, "standard deviation of alpha (section 4.1)")
    divide_noisy: bool = _key(
        False, "while there is colour noise, by 1 + colour_noise (the source)"
    )
    colour_jitter: float = _key(
        0.0, "most that brightness, contrast and saturation change, as a share"
    )
    cutmix: float = _key(0.0, "share of the batches in which photos get a piece of another")
    mixup: float = _key(0.0, "share of the batches in which photos are laid over another")
    scale: float = _key(1.0, "the network sees (pixel - mean) * scale")
    validate_every: int = _key(1, "epochs; the last is always validated")
    precision: Precision = _key("auto", "of the arithmetic; auto: bf16 where the processor has it")
    seed: int = _key(0, "of all chance")
    learn_last: int = _key(
        0, "layers that are learned, counted from the classifier up; 0: all of them"
    )
    below_rate: float = _key(1.0, "rate of the learned layers below the classifier, over its own")

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        ranges: dict[str, tuple[float, float]] = {
            "epochs": (1, 100_000),
            "batch_size": (1, 65_536),
            "learning_rate": (0, 10),
            "bias_rate": (0, 100),
            "warm_up": (0, 1),
            "drops": (0, 100),
            "patience": (1, 100_000),
            "momentum": (0, 0.9999),
            "second_moment": (0, 0.999999),
            "weight_decay": (0, 10),
            "clip": (0, 1e9),
            "dropout": (0, 0.99),
            "label_smoothing": (0, 0.99),
            "contrast": (0, 100),
            "least_area": (0, 1),
            "colour_noise": (0, 10),
            "colour_jitter": (0, 1),
            "cutmix": (0, 1),
            "mixup": (0, 1),
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
        if self.cutmix + self.mixup > 1:
            raise RecipeError(
                f"--cutmix {self.cutmix} and --mixup {self.mixup} are shares of the batches: "
                "together at most 1"
            )
        if self.schedule == "plateau" and self.validate_every != 1:
            raise RecipeError("--schedule plateau looks at every epoch: use --validate-every 1")

    def table(self) -> dict[str, Any]:
        """The recipe as plain JSON values, as it stands in a checkpoint.

        Keys that came later are left out where they change nothing: runs that were begun before
        them go on.
        """
        table = asdict(self)
        for name, value in _WITHOUT.items():
            if table[name] == value:
                del table[name]
        return table


_WITHOUT = {
    "learn_last": 0,
    "below_rate": 1.0,
    "bias_rate": 1.0,
    "batch_norm": False,
    "least_area": 0.0,
    "divide_noisy": False,
    "colour_jitter": 0.0,
    "cutmix": 0.0,
    "mixup": 0.0,
    "contrast": 0.0,
}


def flag(name: str) -> str:
    """The command line's spelling of a recipe key."""
    return "--" + name.replace("_", "-")


def difference(former: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The keys in which two recipe tables differ, for a person; empty where they are equal."""
    missing = object()
    return ", ".join(
        f"{name} was {former.get(name)!r} and is now {wanted.get(name)!r}"
        for name in sorted({*former, *wanted})
        if former.get(name, missing) != wanted.get(name, missing)
    )
