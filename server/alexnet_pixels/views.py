"""The 224x224 views of a 256x256 picture that the network sees."""

from __future__ import annotations

import numpy as np

from alexnet_pixels.decode import SIDE, Pixels

VIEW_SIDE = 224  # paper, section 3.5
VIEW_COUNTS = (1, 10)
_BORDER = SIDE - VIEW_SIDE
# (top, left) in the order of the authors' convdata.py: corners around the centre.
_CENTRE = (_BORDER // 2, _BORDER // 2)
_FIVE = ((0, 0), (0, _BORDER), _CENTRE, (_BORDER, 0), (_BORDER, _BORDER))


def views(pixels: Pixels, count: int = 1) -> Pixels:
    """Cut ``count`` views, uint8 [256, 256, 3] -> uint8 [count, 224, 224, 3].

    1: the centre.  10: top-left, top-right, centre, bottom-left, bottom-right, then the same five
    mirrored (paper, section 4.1).  Raises ValueError on another count.
    """
    if count == 1:
        return _cut(pixels, _CENTRE)[None]
    if count == 10:
        five = np.stack([_cut(pixels, corner) for corner in _FIVE])  # [5, 224, 224, 3]
        return np.concatenate([five, five[:, :, ::-1]])  # [10, 224, 224, 3]
    raise ValueError(f"views must be one of {VIEW_COUNTS}, not {count}")


def _cut(pixels: Pixels, corner: tuple[int, int]) -> Pixels:
    top, left = corner
    return pixels[top : top + VIEW_SIDE, left : left + VIEW_SIDE]
