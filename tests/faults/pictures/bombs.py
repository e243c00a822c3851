"""Small files of enormous pictures, whole and valid but for their size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.faults.pictures import jpeg_bytes, png_bytes, webp_bytes
from tests.faults.pictures.jpeg_bytes import BASELINE, PROGRESSIVE, in_one_scan

_SIDES = {25: 5_001, 90: 9_487, 170: 13_039, 400: 20_000}  # of a square of so many megapixels
BOMBS: dict[str, Callable[[], bytes]] = {
    **{
        f"{name} of {megapixels} Mpx": partial(png_bytes.flat, side, side, *kind)
        for megapixels, side in _SIDES.items()
        for name, kind in {
            "1-bit PNG": (1, png_bytes.GREY),
            "RGB PNG": (8, png_bytes.RGB),
            "interlaced PNG": (8, png_bytes.RGB, True),
        }.items()
    },
    "PNG with one long side": partial(png_bytes.flat, 16_385, 1),
    "JPEG of 65,500 a side": partial(in_one_scan, BASELINE, 65_500, 65_500),
    "JPEG of 65 Mpx": partial(in_one_scan, BASELINE, 8_100, 8_100),
    "progressive JPEG of 25 Mpx": partial(in_one_scan, PROGRESSIVE, 5_001, 5_001),
    "JPEG of 25 Mpx in three scans": partial(jpeg_bytes.a_scan_a_component, 5_001, 5_001),
    "WEBP of 16,383 a side": partial(webp_bytes.flat, 16_383, 16_383),
    "WEBP of 25 Mpx": partial(webp_bytes.flat, 5_001, 5_001),
    "WEBP of 170 Mpx around one pixel": lambda: webp_bytes.animated(
        13_039, 13_039, webp_bytes.frame(1, 1, webp_bytes.image_data(webp_bytes.flat(1, 1)))
    ),
}
