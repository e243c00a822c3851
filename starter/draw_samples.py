"""Draws the sample pictures that the page offers to those who have none at hand.

    .venv/bin/python -m starter.draw_samples

No photo took part in them.  What cloth lies on what was chosen so that the starter model says what
each shows.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from starter import garments
from starter.cloth import Canvas, Picture, dotted, floor, sheet, striped

SAMPLES = Path(__file__).parents[1] / "server" / "alexnet_server" / "page" / "samples"
_QUALITY = 75

Draw = Callable[[Canvas], None]
Ground = Callable[[np.random.Generator], Picture]


def _of(garment: Callable[..., None], *how: object) -> Draw:
    return lambda canvas: garment(canvas, *how)


_ROSES = dotted((232, 120, 150), np.random.default_rng(7), 260)
_WHAT: dict[str, tuple[Ground, Draw]] = {
    "t-shirt": (sheet((120, 40, 96)), _of(garments.t_shirt, (228, 226, 220))),
    "t-shirt-striped": (floor, _of(garments.t_shirt, (214, 190, 60), striped((40, 44, 80), 26))),
    "jeans": (sheet((222, 214, 204)), _of(garments.pants, (58, 76, 116))),
    "pants": (floor, _of(garments.pants, (150, 134, 104))),
    "shorts": (sheet((206, 206, 210)), _of(garments.shorts, (196, 44, 52))),
    "dress": (sheet((226, 220, 210)), _of(garments.dress, (120, 24, 92))),
    "dress-roses": (floor, _of(garments.dress, (36, 40, 66), _ROSES)),
    "hat": (sheet((150, 36, 44)), _of(garments.hat, (40, 70, 170))),
    "shoes": (floor, _of(garments.shoes, (44, 44, 50))),
    "shoes-red": (sheet((216, 214, 212)), _of(garments.shoes, (186, 48, 44))),
}
NAMES = tuple(_WHAT)


def drawn(name: str) -> Image.Image:
    """One sample, RGB."""
    ground, draw = _WHAT[name]
    chance = np.random.default_rng(sorted(_WHAT).index(name))
    canvas = Canvas(ground(chance), chance)
    draw(canvas)
    return canvas.image()


def main() -> None:
    """Write every sample as a JPEG file."""
    SAMPLES.mkdir(exist_ok=True)
    for name in NAMES:
        content = io.BytesIO()
        drawn(name).save(content, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
        (SAMPLES / f"{name}.jpg").write_bytes(content.getvalue())


if __name__ == "__main__":
    main()
