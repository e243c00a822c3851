"""What is taken for what, and how far sureness can be believed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from alexnet_training.evaluation.calibration import Calibration
from alexnet_training.figures.sheet import BLUE, GREY, sheet, shortened

_MOST_NAMED = 40  # more classes: no names and no counts in the cells


def confusion(
    probabilities: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    classes: tuple[str, ...],
) -> Figure:
    """Rows: the class of a photo; columns: the first answer. Shaded by the share of the row."""
    count = len(classes)
    counts = np.zeros((count, count), dtype=np.int64)
    np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(10.0, 2.5 + 0.55 * count)
    figure = sheet(side, side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("first answer")
    axes.set_ylabel("class")
    if count > _MOST_NAMED:
        return figure
    names = [shortened(name, 14) for name in classes]
    axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    for row, column in np.argwhere(counts).tolist():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    return figure


def reliability(found: Calibration) -> Figure:
    """Bars: the share that is right, by how sure the first answer was."""
    figure = sheet(5, 4.4)
    axes = figure.subplots()
    for one in found.bins:
        width = one.high - one.low
        axes.bar(one.low, one.right, width, align="edge", color=BLUE, alpha=0.6, edgecolor="white")
        axes.annotate(
            f"n={one.n}",
            (one.low + width / 2, one.right),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.08)
    axes.set_xlabel("probability of the first answer")
    axes.set_ylabel("share that is right")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    return figure
