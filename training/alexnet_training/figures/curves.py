"""Learning curves: loss and validation over the epochs, with the drops of the rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from alexnet_training.figures.sheet import BLUE, GREEN, GREY, ORANGE, sheet

_DROP = 0.1  # paper, section 5: divided by 10


def drops(history: Sequence[dict[str, Any]]) -> list[int]:
    """The epochs that began with a tenth of the rate before; a cosine does not fall so."""
    rates = [(row["epoch"], row["learning_rate"]) for row in history]
    return [
        epoch
        for (_, before), (epoch, rate) in pairwise(rates)
        if rate and math.isclose(rate, _DROP * before, rel_tol=1e-6)
    ]


def curves(history: Sequence[dict[str, Any]]) -> Figure:
    """``history``: the rows of metrics.json."""
    figure = sheet(9, 4.2)
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    loss.plot(epochs, [row["loss"] for row in history], color=BLUE, marker=".")
    loss.set_title("training loss")
    validated = [row for row in history if "top1" in row]
    at = [row["epoch"] for row in validated]
    for key, name, colour in (("top5", "top-5", ORANGE), ("top1", "top-1", GREEN)):
        accuracy.plot(at, [row[key] for row in validated], color=colour, marker=".", label=name)
    if validated:
        last = validated[-1]
        for key in ("top1", "top5"):
            accuracy.annotate(
                f"{last[key]:.1%}",
                (last["epoch"], last[key]),
                xytext=(-4, 6),
                textcoords="offset points",
                ha="right",
            )
    accuracy.set_title("validation")
    accuracy.set_ylim(0, 1.05)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True, alpha=0.3)
        for number, epoch in enumerate(drops(history)):
            label = None if number else "rate drops"
            axes.axvline(epoch - 0.5, color=GREY, linestyle="--", linewidth=1, label=label)
    accuracy.legend(loc="lower right")
    return figure
