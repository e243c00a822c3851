"""The views of a 256x256 picture that a network sees: 224x224, or what its dialect was made for."""

from __future__ import annotations

import numpy as np

from alexnet_pixels.square import SIDE, Pixels

VIEW_SIDE = 224  # paper, section 3.5
VIEW_COUNTS = (1, 10)


def views(pixels: Pixels, count: int = 1, side: int = VIEW_SIDE) -> Pixels:
    """Cut ``count`` views, uint8 [256, 256, 3] -> uint8 [count, side, side, 3].

    1: the centre.  10: top-left, top-right, centre, bottom-left, bottom-right, then the same five
    mirrored (paper, section 4.1), in the order of the authors' convdata.py.  Raises ValueError on
    another count, and on a side above 256.
    """
    if not 0 < side <= SIDE:
        raise ValueError(f"a view of {side} pixels a side does not fit into {SIDE}")
    border = SIDE - side
    centre = (border // 2, border // 2)
    if count == 1:
        return _cut(pixels, centre, side)[None]
    if count == 10:
        corners = ((0, 0), (0, border), centre, (border, 0), (border, border))
        five = np.stack([_cut(pixels, corner, side) for corner in corners])  # [5, side, side, 3]
        return np.concatenate([five, five[:, :, ::-1]])  # [10, side, side, 3]
    raise ValueError(f"views must be one of {VIEW_COUNTS}, not {count}")


def _cut(pixels: Pixels, corner: tuple[int, int], side: int) -> Pixels:
    top, left = corner
    return pixels[top : top + side, left : left + side]
