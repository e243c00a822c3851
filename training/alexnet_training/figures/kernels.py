"""The kernels of the first convolution, tower by tower (the paper's figure 3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from alexnet_training.figures.sheet import sheet, show_picture

_ACROSS = 16
_GAP = 1  # pixels between kernels


def kernels(weight: npt.NDArray[np.float32], towers: int) -> Figure:
    """``weight``: conv1's, float32 [C, 3, k, k]; the first C / towers are tower 0's.

    Each kernel is scaled by its own largest weight; grey is zero.
    """
    rows = -(-len(weight) // towers // _ACROSS)
    figure = sheet(9, towers * (rows * 9 / _ACROSS + 0.4))
    drawn = figure.subplots(towers, 1, squeeze=False)[:, 0]
    for tower, (axes, part) in enumerate(zip(drawn, np.split(weight, towers), strict=True)):
        show_picture(axes, _tiled(part))
        axes.set_title(f"tower {tower}", loc="left", fontsize=11)
    return figure


def _tiled(part: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Kernels [C, 3, k, k] side by side, uint8 [height, width, 3]."""
    largest = np.maximum(np.abs(part).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    shades = (127.5 + 127.5 * part / largest).astype(np.uint8).transpose(0, 2, 3, 1)
    side = part.shape[-1] + _GAP
    down = -(-len(part) // _ACROSS)
    tiles = np.full((down * side - _GAP, _ACROSS * side - _GAP, 3), 255, np.uint8)
    for index, shade in enumerate(shades):
        top, left = index // _ACROSS * side, index % _ACROSS * side
        tiles[top : top + side - _GAP, left : left + side - _GAP] = shade
    return tiles
