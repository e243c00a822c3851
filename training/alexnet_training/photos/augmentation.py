"""From decoded photos to what the network sees: crop, mirror, colours, mean, scale.

Chance decides first, for a whole batch (``draw``); what it decided is then carried out without
any chance, so batches can be made ahead and in any order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from alexnet_export.dialects import DIALECTS
from alexnet_pixels.square import SIDE, Pixels
from alexnet_training.recipe import Recipe

Floats = npt.NDArray[np.float32]

# Crops that are resized: width over height, and how often one that does not fit is drawn again
# before the whole picture is taken (the ranges of Szegedy et al. 2015, section 6).
_RATIO = (3 / 4, 4 / 3)
_TRIES = 10
# What of red, green and blue the eye takes for brightness (ITU-R BT.601).
_GREY = np.array([0.299, 0.587, 0.114])
_WHITE = 255.0


@dataclass(frozen=True)
class Draw:
    """What chance decided for ``n`` photos, which become ``side`` pixels a side.

    ``boxes``: float64 [n, 4], what is cut out of the 256x256: left, upper, right, lower;
    ``mirrored``: bool [n].  A pixel then becomes ``colours @ (pixel - mean) + shifts``:
    float32 [n, 3, 3], or None where colours stay as they are, and float32 [n, 3].
    """

    side: int
    boxes: npt.NDArray[np.float64]
    mirrored: npt.NDArray[np.bool_]
    shifts: Floats
    colours: Floats | None = None

    def of(self, places: npt.NDArray[np.int64]) -> Draw:
        """The same for some of the photos."""
        colours = None if self.colours is None else self.colours[places]
        return Draw(
            self.side, self.boxes[places], self.mirrored[places], self.shifts[places], colours
        )


def colour_axes(covariance: npt.NDArray[np.float64]) -> Floats:
    """Columns: the principal axes of RGB, each as long as the deviation along it, [3, 3].

    Section 4.1 multiplies by the eigenvalue of the covariance; with pixels of 0..255 that is
    hundreds of grey values.  The authors' convdata.py takes its root, the standard deviation,
    and so do we.
    """
    values, vectors = np.linalg.eigh(covariance)
    axes: Floats = (vectors * np.sqrt(np.clip(values, 0, None))).astype(np.float32)
    return axes


def draw(
    recipe: Recipe, axes: Floats, count: int, chance: np.random.Generator, *, noise: bool = True
) -> Draw:
    """Draw for ``count`` photos: once a photo and use, the colours too (section 4.1).

    Crops are as large as the recipe's dialect sees; without chance they are the centre, as served.
    ``noise``: whether the recipe's colour noise is added now.
    """
    side = DIALECTS[recipe.dialect].image_side
    boxes = _any_boxes(recipe, count, chance) if recipe.least_area else None
    if boxes is None:
        boxes = _fixed_boxes(recipe, side, count, chance)
    mirrored = chance.random(count) < 0.5 if recipe.mirror else np.zeros(count, dtype=bool)
    shifts, colours = np.zeros((count, 3)), None
    if recipe.colour_noise and noise:
        shifts = chance.normal(0.0, recipe.colour_noise, (count, 3)) @ axes.T
    if recipe.colour_jitter:
        colours, brighter = _jitter(recipe.colour_jitter, count, chance)
        shifts = shifts + brighter
    if recipe.divide_noisy and recipe.colour_noise and noise:
        share = 1 / (1 + recipe.colour_noise)
        colours = (np.eye(3) if colours is None else colours) * share * np.ones((count, 1, 1))
        shifts = shifts * share
    return Draw(
        side,
        boxes,
        mirrored,
        shifts.astype(np.float32),
        None if colours is None else colours.astype(np.float32),
    )


def _fixed_boxes(
    recipe: Recipe, side: int, count: int, chance: np.random.Generator
) -> npt.NDArray[np.float64]:
    border = SIDE - side
    offsets = border + 1  # of 224, 33: the authors' randint(0, 33); the paper's text counts 32
    middle = np.full(count, border // 2)
    tops = chance.integers(0, offsets, count) if recipe.crops else middle
    lefts = chance.integers(0, offsets, count) if recipe.crops else middle
    return np.stack([lefts, tops, lefts + side, tops + side], axis=1).astype(np.float64)


def _any_boxes(recipe: Recipe, count: int, chance: np.random.Generator) -> npt.NDArray[np.float64]:
    """Boxes of any size and a little stretched: the first of some tries that fits the picture."""
    shape = (count, _TRIES)
    areas = SIDE * SIDE * chance.uniform(recipe.least_area, 1.0, shape)
    ratios = np.exp(chance.uniform(math.log(_RATIO[0]), math.log(_RATIO[1]), shape))
    widths, heights = np.sqrt(areas * ratios), np.sqrt(areas / ratios)
    fits = (widths <= SIDE) & (heights <= SIDE)  # [n, tries]
    first = fits.argmax(axis=1)
    rows, found = np.arange(count), fits.any(axis=1)
    width = np.where(found, widths[rows, first], SIDE)
    height = np.where(found, heights[rows, first], SIDE)
    left = chance.random(count) * (SIDE - width)
    top = chance.random(count) * (SIDE - height)
    return np.stack([left, top, left + width, top + height], axis=1)


def _jitter(
    most: float, count: int, chance: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Brightness, contrast and saturation: [n, 3, 3] around the mean, and [n, 1] added."""
    brightness, contrast, saturation = chance.uniform(-most, most, (3, count))
    grey = np.broadcast_to(_GREY, (3, 3))  # every row gives the grey of a colour
    kept = (1 + saturation)[:, None, None]
    colours = kept * np.eye(3) + (1 - kept) * grey
    return colours * (1 + contrast)[:, None, None], brightness[:, None] * _WHITE / 2


def cut(photos: Pixels, rows: npt.NDArray[np.int64], drawn: Draw) -> Pixels:
    """Crop and mirror ``photos[rows]``, uint8 [m, 256, 256, 3] -> uint8 [n, side, side, 3].

    Boxes of ``side`` are cut out as they are, others resized (bilinear, with antialias).
    """
    side = drawn.side
    crops = np.empty((len(rows), side, side, 3), dtype=np.uint8)
    for index, (row, box) in enumerate(zip(rows, drawn.boxes.tolist(), strict=True)):
        crop = _crop(photos[row], box, side)
        crops[index] = crop[:, ::-1] if drawn.mirrored[index] else crop
    return crops


def _crop(photo: Pixels, box: list[float], side: int) -> Pixels:
    left, upper, right, lower = box
    if right - left == lower - upper == side and left % 1 == upper % 1 == 0:
        return photo[int(upper) : int(lower), int(left) : int(right)]
    resized = Image.fromarray(photo).resize(
        (side, side), Image.Resampling.BILINEAR, box=(left, upper, right, lower)
    )
    return np.asarray(resized)


def network_input(crops: Pixels, mean: Tensor, scale: float, drawn: Draw | None = None) -> Tensor:
    """``(pixel - mean) * scale``: uint8 [n, side, side, 3] -> float32 [n, 3, side, side].

    ``drawn``: ``(colours @ (pixel - mean) + shifts) * scale``.
    ``mean``: float32 [side, side, 3] on the network's device, the centre of the mean image for
    every crop and never mirrored, as the authors' convdata.py and the served graph have it.
    The result lies in memory as channels_last.
    """
    pixels = torch.from_numpy(crops).to(mean.device).float().sub_(mean)
    if drawn is None:
        return pixels.mul_(scale).permute(0, 3, 1, 2)
    shifts = torch.from_numpy(drawn.shifts).to(mean.device)[:, None] * scale  # [n, 1, 3]
    if drawn.colours is None:
        pixels = pixels.mul_(scale).add_(shifts[:, None])
    else:
        colours = torch.from_numpy(drawn.colours).to(mean.device) * scale
        flat = pixels.view(len(crops), -1, 3)  # [n, side * side, 3]
        pixels = torch.baddbmm(shifts, flat, colours.transpose(1, 2)).view(pixels.shape)
    return pixels.permute(0, 3, 1, 2)
