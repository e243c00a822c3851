"""Small legal pictures, one of every kind that is read; by name, made when asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from tests.faults.pictures import jpeg_bytes, png_bytes
from tests.photos import crops

SIZE = (96, 72)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes Pillow writes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@cache
def _crop() -> Image.Image:
    return Image.fromarray(crops(1, seed=3)[0])


def photo(size: tuple[int, int] = SIZE) -> Image.Image:
    """A part of a photo."""
    return _crop().resize(size)


def samples(depth: int, colour: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Samples [h, w, channels] of ``photo``, below 2 ** depth; alpha grows to the right."""
    pixels = np.asarray(photo(size).convert("RGBA")).astype(np.uint32).copy()
    pixels[..., 3] = np.arange(size[0])[None] * 255 // (size[0] - 1)
    channels = {
        png_bytes.GREY: [1],
        png_bytes.PALETTE: [1],
        png_bytes.RGB: [0, 1, 2],
        png_bytes.GREY_ALPHA: [1, 3],
        png_bytes.RGBA: [0, 1, 2, 3],
    }[colour]
    chosen = pixels[..., channels]
    return chosen * 257 if depth == 16 else chosen >> (8 - depth)


PALETTE = bytes((index * step) % 256 for index in range(256) for step in (7, 3, 11))
_DEPTHS = {
    png_bytes.GREY: (1, 2, 4, 8, 16),
    png_bytes.RGB: (8, 16),
    png_bytes.PALETTE: (1, 2, 4, 8),
    png_bytes.GREY_ALPHA: (8, 16),
    png_bytes.RGBA: (8, 16),
}
_NAMES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGBA"}
# Name -> depth, colour type, interlaced: every PNG there is.
PNGS = {
    f"PNG {_NAMES[colour]} of {depth} bits{' interlaced' * interlaced}": (depth, colour, interlaced)
    for colour, depths in _DEPTHS.items()
    for depth in depths
    for interlaced in (False, True)
}


def png(depth: int, colour: int, interlaced: bool, size: tuple[int, int] = SIZE) -> bytes:
    """``samples`` as a file."""
    palette = png_bytes.chunk(b"PLTE", PALETTE[: 3 * 2**depth])
    before = palette if colour == png_bytes.PALETTE else b""
    return png_bytes.of_samples(samples(depth, colour, size), depth, colour, interlaced, before)


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x011A], exif[0x0128] = "maker", 6, 72.0, 2
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return exif


def _frames() -> dict[str, object]:
    others = [photo().rotate(angle) for angle in (30, 60)]
    return {"save_all": True, "append_images": others, "duration": 100}


SOURCES: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(photo(), "JPEG"),
    "JPEG progressive": lambda: encoded(photo(), "JPEG", progressive=True),
    "JPEG grey": lambda: encoded(photo().convert("L"), "JPEG"),
    "JPEG CMYK": lambda: encoded(photo().convert("CMYK"), "JPEG"),
    "JPEG with EXIF": lambda: encoded(photo(), "JPEG", exif=_exif()),
    "JPEG with restarts": lambda: encoded(photo(), "JPEG", restart_marker_blocks=3),
    "JPEG of two pictures": lambda: encoded(
        photo(), "MPO", save_all=True, append_images=[photo((48, 36))]
    ),
    "JPEG arithmetic": lambda: jpeg_bytes.in_one_scan(jpeg_bytes.ARITHMETIC, *SIZE),
    "JPEG of a scan a colour": lambda: jpeg_bytes.a_scan_a_component(*SIZE),
    "PNG RGB": lambda: encoded(photo(), exif=_exif()),
    "PNG animated": lambda: encoded(photo(), **_frames()),
    "WEBP": lambda: encoded(photo(), "WEBP"),
    "WEBP lossless": lambda: encoded(photo(), "WEBP", lossless=True),
    "WEBP with alpha and EXIF": lambda: encoded(
        Image.merge("RGBA", (*photo().split(), photo().convert("L"))), "WEBP", exif=_exif()
    ),
    "WEBP animated": lambda: encoded(photo(), "WEBP", **_frames()),
    **{name: lambda kind=kind: png(*kind) for name, kind in PNGS.items()},
}
