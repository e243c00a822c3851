"""Draw how cost grows, by a Python with matplotlib: python drawing.py growth.json growth.png."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot


def main() -> None:
    """One panel a thing that grows; the median with the quartiles around it."""
    mpl.use("Agg")
    panels = json.loads(Path(sys.argv[1]).read_text())["growth"]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.2), squeeze=False)
    for axis, (name, points) in zip(axes[0], panels.items(), strict=True):
        across = [point["at"] for point in points]
        rates = [point["pictures_per_s"] for point in points]
        axis.plot(across, [rate["median"] for rate in rates], marker="o")
        low, high = ([rate[part] for rate in rates] for part in ("q1", "q3"))
        axis.fill_between(across, low, high, alpha=0.25)
        axis.set_xscale("log", base=2)
        axis.set(xlabel=name, ylabel="pictures/s")
        axis.set_xticks(across, [str(one) for one in across])
        if max(low) > 10 * min(low):
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=150)


if __name__ == "__main__":
    main()
