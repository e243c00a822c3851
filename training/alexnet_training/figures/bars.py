"""Photos with the five likeliest classes as bars (the paper's figure 4, left)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet_pixels.square import Pixels
from alexnet_training.figures.sheet import BLUE, GREEN, RED, sheet, shortened, show_picture

_ACROSS, _TOP = 5, 5


def bars(
    pixels: Pixels,
    probabilities: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    classes: tuple[str, ...],
) -> Figure:
    """``pixels``: uint8 [n, 256, 256, 3]; ``probabilities``: [n, classes]; ``labels``: [n]."""
    down = -(-len(pixels) // _ACROSS)
    figure = sheet(10, 3.6 * down)
    drawn = figure.subplots(2 * down, _ACROSS, squeeze=False, height_ratios=[3, 2] * down)
    for place in range(down * _ACROSS):
        photo, chart = (drawn[2 * (place // _ACROSS) + half, place % _ACROSS] for half in (0, 1))
        if place >= len(pixels):
            photo.set_axis_off()
            chart.set_axis_off()
            continue
        show_picture(photo, pixels[place])
        photo.set_title(shortened(classes[labels[place]]), fontsize=10, fontweight="bold")
        _chart(chart, probabilities[place], int(labels[place]), classes)
    return figure


def _chart(axes: Axes, row: npt.NDArray[np.float32], label: int, classes: tuple[str, ...]) -> None:
    best = np.argsort(-row, kind="stable")[:_TOP]
    colours = [GREEN if one == label else BLUE for one in best]
    if best[0] != label:
        colours[0] = RED
    axes.barh(range(len(best)), row[best], color=colours, alpha=0.55)
    for place, one in enumerate(best):
        mark = " ✓" if one == label else ""
        axes.text(
            0.02, place, f"{shortened(classes[one])} {row[one]:.0%}{mark}", va="center", fontsize=8
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(_TOP - 0.4, -0.6)
    axes.set_xticks([])
    axes.set_yticks([])
