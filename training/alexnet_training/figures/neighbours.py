"""Photos with those whose features are nearest (the paper's figure 4, right)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from alexnet_pixels.square import Pixels
from alexnet_training.figures.sheet import GREEN, RED, sheet, shortened, show_picture

_NEAREST = 6
_ROWS = 1024  # compared at a time: 16 MB of features


def nearest(
    features: npt.NDArray[np.float32], query: int, count: int = _NEAREST
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rows of ``features`` [n, units] nearest to row ``query``, itself left out, and distances."""
    distances = np.concatenate(
        [
            np.linalg.norm(features[start : start + _ROWS] - features[query], axis=1)
            for start in range(0, len(features), _ROWS)
        ]
    )
    order = np.argsort(distances, kind="stable")
    rows = order[order != query][:count]
    return rows, distances[rows]


def neighbours(
    pixels: Pixels,
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    classes: tuple[str, ...],
    queries: npt.NDArray[np.int64],
) -> Figure:
    """A row a query: the photo, then its nearest by Euclidean distance (section 6.1)."""
    figure = sheet(10, 1.75 * len(queries))
    drawn = figure.subplots(len(queries), _NEAREST + 1, squeeze=False)
    for axes, query in zip(drawn, queries.tolist(), strict=True):
        rows, distances = nearest(features, query)
        show_picture(axes[0], pixels[query])
        axes[0].set_title(shortened(classes[labels[query]]), fontsize=9, fontweight="bold")
        for place, one in enumerate(axes[1:]):
            if place >= len(rows):
                one.set_axis_off()
                continue
            row = rows[place]
            is_same = labels[row] == labels[query]
            show_picture(one, pixels[row])
            one.set_title(
                shortened(classes[labels[row]]), fontsize=9, color=GREEN if is_same else RED
            )
            one.set_xlabel(f"{distances[place]:.1f}", fontsize=8)
    return figure
