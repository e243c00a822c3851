"""What all figures have in common: a drawing without a window, its colours, and its PNG."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet_pixels.square import Pixels

# Told apart by colour-blind readers too (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#6b7075"
_DOTS_PER_INCH = 110


def sheet(width: float, height: float) -> Figure:
    """An empty white figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def png(figure: Figure) -> bytes:
    """The figure as a PNG file without a date, so that equal figures are equal files."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()


def show_picture(axes: Axes, pixels: Pixels) -> None:
    """A photo, uint8 [height, width, 3], without ticks."""
    axes.imshow(pixels)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def shortened(text: str, longest: int = 18) -> str:
    """A label that fits under a picture."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def spread(labels: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.int64]:
    """``count`` rows by chance, as evenly over the classes as there are photos; sorted by class.

    Not by looks: the same seed and labels give the same rows whatever the network says.
    """
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(labels))
    seen: dict[int, int] = {}
    turns = np.empty(len(labels), dtype=np.int64)  # the how-manieth of its class each row is
    for row in order:
        label = int(labels[row])
        turns[row] = seen[label] = seen.get(label, -1) + 1
    chosen = sorted(range(len(labels)), key=lambda row: (turns[row], _place(order, row)))[:count]
    return np.array(sorted(chosen, key=lambda row: (labels[row], turns[row])), dtype=np.int64)


def _place(order: npt.NDArray[np.int64], row: int) -> int:
    return int(np.flatnonzero(order == row)[0])
