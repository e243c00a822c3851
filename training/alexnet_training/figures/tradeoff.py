"""Bytes against accuracy: what each step of a compression costs."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from alexnet_training.compressing.tradeoff import Step
from alexnet_training.figures.sheet import BLUE, GREEN, GREY, ORANGE, sheet

_MEGABYTE = 1e6


def tradeoff(steps: Sequence[Step], max_bytes: int) -> Figure:
    """``steps``: the original first; a point each, the ends of the way named."""
    figure = sheet(9, 4.2)
    left, right = figure.subplots(1, 2)
    at = [step.bytes / _MEGABYTE for step in steps]
    left.plot(at, [step.top1 for step in steps], color=GREEN, marker=".", label="top-1")
    if all(step.map_l2 is not None for step in steps):
        found = [step.map_l2 for step in steps]
        left.plot(at, found, color=BLUE, marker=".", label="mean average precision (L2)")
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    left.set_title("validation")
    cosines = [step.features_cosine for step in steps]
    right.plot(at, cosines, color=ORANGE, marker=".", label="cosine with the original's")
    right.set_title("features")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.set_xlabel("file, MB")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.axvline(max_bytes / _MEGABYTE, color=GREY, linestyle="--", linewidth=1, label="wanted")
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="best")
    for step in (steps[0], steps[1], steps[-1]):  # in between they lie too close
        left.annotate(
            f"epoch {step.epoch}" if step.epoch else "original",
            (step.bytes / _MEGABYTE, step.top1),
            xytext=(0, -14 if step is steps[-1] else 5),
            textcoords="offset points",
            ha="center",
            fontsize="small",
        )
    return figure
