"""Drawn pictures: what an imported network is proven on, since it comes without any photos.

They are noise with what photos have in common: amplitudes that fall with the spatial frequency
(Field 1987, "Relations between the statistics of natural images") and far more contrast in
lightness than in colour (Ruderman et al. 1998, "Statistics of cone responses to natural images").
That lights up every layer, and comparing two cuts of one network needs no more.  Nothing can be
measured on them, and int8 not calibrated: they show nothing of what the network was made for.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alexnet_export.checkpoint import PICTURES_FILE, write_whole

COUNT = 64
_SIDE = 256
_SEED = 2012
_GREY = 117  # about the mean of photos, of 255
# A row an axis, all at right angles: lightness, yellow against blue, red against green; and how
# far each spreads, in levels of 255.  A channel then spreads by 56, as photos do.
_AXES = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3.0], [6.0], [2.0]])
_SPREADS = np.array([95.0, 20.0, 8.0])


def drawn_pictures(count: int = COUNT) -> npt.NDArray[np.uint8]:
    """The same pictures every time, uint8 [count, 256, 256, 3]."""
    random = np.random.default_rng(_SEED)
    return np.stack([_drawn(random) for _ in range(count)])


def write_drawn_pictures(folder: Path) -> None:
    """Write them as a run folder's pictures, marked as ``drawn``.  Raises OSError."""
    content = io.BytesIO()
    np.savez(content, images=drawn_pictures(), drawn=np.array(True))
    write_whole(folder / PICTURES_FILE, content.getvalue())


def _drawn(random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One picture, uint8 [256, 256, 3]."""
    down, right = np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None, :]
    frequency = np.hypot(down, right)  # [256, 129]
    frequency[0, 0] = np.inf  # no mean
    noise = np.fft.rfft2(random.standard_normal((3, _SIDE, _SIDE)))
    planes = np.fft.irfft2(noise / frequency, s=(_SIDE, _SIDE))  # [3, 256, 256], an axis each
    planes *= (_SPREADS / planes.std(axis=(1, 2)))[:, None, None]
    pixels = _GREY + np.einsum("ahw,ac->hwc", planes, _AXES)  # [256, 256, 3]
    drawn: npt.NDArray[np.uint8] = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return drawn
