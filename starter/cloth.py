"""A picture of cloth: pieces with folds, a weave and a shadow, on a floor or a sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

_WIDTH, _HEIGHT = 300, 400
_FINER = 2  # drawn so much larger, then made smaller: soft edges

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]
Plane = npt.NDArray[np.float64]  # [height, width]
Picture = npt.NDArray[np.float64]  # [height, width, 3], 0 to 255


@dataclass
class Canvas:
    """``pixels``: what is drawn so far; ``chance`` gives every fold and grain.

    ``piece``: where the last piece of cloth lies; lines and spots end at its edge.
    """

    pixels: Picture
    chance: np.random.Generator
    piece: Plane = field(default_factory=lambda: np.zeros((_HEIGHT * _FINER, _WIDTH * _FINER)))

    def lay(
        self,
        outline: Points,
        colour: Colour,
        pattern: Callable[[Picture], Picture] = lambda cloth: cloth,
        *,
        folds: float = 0.22,
    ) -> None:
        """A piece of cloth with folds, a weave, a rounded edge and a shadow below it."""
        mask = self.piece = _mask(outline)
        soft = _blurred(mask, 9 * _FINER)
        shadow = np.roll(_blurred(mask, 6 * _FINER), (5 * _FINER, 4 * _FINER), (0, 1))
        self.pixels *= 1 - 0.5 * shadow[..., None] * (1 - mask[..., None])
        cloth = pattern(np.broadcast_to(np.array(colour, float), self.pixels.shape).copy())
        light = 1 + folds * _noise(self.chance, 5, 3) + 0.5 * folds * _noise(self.chance, 14, 9)
        light *= 1 + 0.05 * self.chance.standard_normal(mask.shape)  # the weave
        light *= 0.72 + 0.28 * np.clip(2 * soft - 0.6, 0, 1)  # turns away at its edge
        self._over(mask, cloth * light[..., None])

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """A seam, a lace or a fold."""
        image = Image.new("L", (_WIDTH * _FINER, _HEIGHT * _FINER))
        drawing = ImageDraw.Draw(image)
        drawing.line(_scaled(points), fill=255, width=round(width * _FINER), joint="curve")
        self._paint(np.asarray(image) / 255, colour)

    def spot(self, outline: Points, colour: Colour, strength: float = 1.0) -> None:
        """A flat area: an opening, a tongue, a button."""
        self._paint(_mask(outline) * strength, colour)

    def image(self) -> Image.Image:
        """The picture at its own size."""
        large = Image.fromarray(np.clip(self.pixels, 0, 255).astype(np.uint8))
        return large.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)

    def _paint(self, mask: Plane, colour: Colour) -> None:
        self._over(mask * self.piece, np.broadcast_to(np.array(colour, float), self.pixels.shape))

    def _over(self, mask: Plane, colours: Picture) -> None:
        soft = _blurred(mask, 0.7 * _FINER)[..., None]
        self.pixels = self.pixels * (1 - soft) + colours * soft


def _noise(chance: np.random.Generator, across: int, down: int) -> Plane:
    """Smooth, about -1 to 1, with so many waves across and down."""
    coarse = Image.fromarray(chance.standard_normal((down, across)).astype(np.float32))
    size = (_WIDTH * _FINER, _HEIGHT * _FINER)
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), float) * 0.6


def _blurred(mask: Plane, radius: float) -> Plane:
    image = Image.fromarray((mask * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), float) / 255


def _scaled(points: Points) -> list[tuple[float, float]]:
    return [(x * _WIDTH * _FINER, y * _HEIGHT * _FINER) for x, y in points]


def _mask(outline: Points) -> Plane:
    image = Image.new("L", (_WIDTH * _FINER, _HEIGHT * _FINER))
    ImageDraw.Draw(image).polygon(_scaled(_rounded(outline)), fill=255)
    return np.asarray(image, float) / 255


def _rounded(outline: Points) -> Points:
    """The polygon with its corners cut twice (Chaikin 1974)."""
    points = np.array(outline)
    for _ in range(2):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.8 * points + 0.2 * after, 0.2 * points + 0.8 * after], 1).reshape(
            -1, 2
        )
    return [(x, y) for x, y in points]


def both(half: Points) -> Points:
    """A symmetric outline of its right half, from the top down."""
    return [*half, *((1 - x, y) for x, y in reversed(half))]


def floor(chance: np.random.Generator) -> Picture:
    """Boards of wood."""
    rows, columns = _HEIGHT * _FINER, _WIDTH * _FINER
    grain = 0.10 * _noise(chance, 60, 3) + 0.06 * _noise(chance, 150, 6)
    board = np.arange(columns) // (columns // 5)
    light = 1 + grain + 0.10 * chance.standard_normal(6)[board]
    light[:, np.arange(columns) % (columns // 5) < 2 * _FINER] *= 0.6  # the joints
    return np.array([176.0, 130, 88]) * light[..., None].reshape(rows, columns, 1)


def sheet(colour: Colour) -> Callable[[np.random.Generator], Picture]:
    """A bed sheet with wide folds."""

    def laid(chance: np.random.Generator) -> Picture:
        light = 1 + 0.10 * _noise(chance, 3, 4) + 0.05 * _noise(chance, 8, 8)
        light += 0.02 * chance.standard_normal(light.shape)
        return np.array(colour, float) * light[..., None]

    return laid


def striped(colour: Colour, bands: int) -> Callable[[Picture], Picture]:
    """Bands across the cloth."""

    def dyed(cloth: Picture) -> Picture:
        rows = np.arange(len(cloth)) * 2 * bands // len(cloth) % 2 == 1
        cloth[rows] = colour
        return cloth

    return dyed


def dotted(colour: Colour, chance: np.random.Generator, count: int) -> Callable[[Picture], Picture]:
    """Flowers, from afar."""

    def dyed(cloth: Picture) -> Picture:
        height, width = cloth.shape[:2]
        image = Image.new("L", (width, height))
        drawing = ImageDraw.Draw(image)
        for x, y in chance.random((count, 2)) * (width, height):
            drawing.ellipse((x - 7, y - 7, x + 7, y + 7), fill=255)
        cloth[np.asarray(image) > 0] = colour
        return cloth

    return dyed
