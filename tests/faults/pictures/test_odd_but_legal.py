"""Every legal kind of picture comes out as numpy says it should.

All are 256x256, so that nothing is resized and each pixel can be told, unless size is the point.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from alexnet_pixels.decode import decode
from tests.faults.pictures import png_bytes
from tests.faults.pictures.png_bytes import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk
from tests.faults.pictures.sources import PALETTE as COLOURS
from tests.faults.pictures.sources import PNGS, encoded, photo, png, samples

SIDE = (256, 256)


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours [h, w, 3] with alpha [h, w, 1] of 0..255 laid over white."""
    shares = alpha.astype(float) / 255
    return pixels * shares + 255 * (1 - shares)


def expected(depth: int, colour: int) -> np.ndarray:
    """``samples`` brought to RGB of 8 bits."""
    values = samples(depth, colour, SIDE)
    if colour == PALETTE:
        table = np.frombuffer(COLOURS, np.uint8).reshape(-1, 3)
        return table[values[..., 0]]
    eight = values >> 8 if depth == 16 else values * 255 // (2**depth - 1)
    if colour in (GREY, GREY_ALPHA):
        grey = np.repeat(eight[..., :1], 3, axis=-1)
        return over_white(grey, eight[..., 1:]) if colour == GREY_ALPHA else grey
    return over_white(eight[..., :3], eight[..., 3:]) if colour == RGBA else eight


@pytest.mark.parametrize("name", PNGS)
def test_every_png(name: str) -> None:
    depth, colour, _ = PNGS[name]
    found = decode(png(*PNGS[name], size=SIDE))
    blended = colour in (GREY_ALPHA, RGBA)
    assert np.abs(found - expected(depth, colour)).max() <= (1 if blended else 0)


def test_one_colour_that_is_clear() -> None:
    for depth, colour in ((8, GREY), (16, GREY), (8, RGB)):
        values = samples(depth, colour, SIDE)
        key = values[100, 100]
        before = chunk(b"tRNS", key.astype(">u2").tobytes())
        found = decode(png_bytes.of_samples(values, depth, colour, before=before))
        clear = (values == key).all(axis=-1)
        assert (found[clear] == 255).all()
        assert np.array_equal(found[~clear], expected(depth, colour)[~clear])


def test_a_palette_with_alpha() -> None:
    values = samples(8, PALETTE, SIDE)
    alpha = np.arange(256, dtype=np.uint8)[::-1]
    before = chunk(b"PLTE", COLOURS) + chunk(b"tRNS", alpha.tobytes())
    found = decode(png_bytes.of_samples(values, 8, PALETTE, before=before))
    told = over_white(expected(8, PALETTE), alpha[values])
    assert np.abs(found - told).max() <= 1


TURNS = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", TURNS)
def test_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}}[kind]
    stored = np.asarray(photo(SIDE))
    found = decode(encoded(photo(SIDE), kind, exif=exif, **options))
    difference = np.abs(found.astype(int) - TURNS[orientation](stored)).mean()
    assert difference < 4 if kind == "JPEG" else difference == 0


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


JPEGS: dict[str, dict[str, object]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "optimised": {"optimize": True},
    "with restarts": {"restart_marker_blocks": 5},
    "with a profile": {"icc_profile": _profile()},
    "with a comment": {"comment": b"x" * 60_000},
    "RGB inside": {"keep_rgb": True},
    **{f"subsampled {kind}": {"subsampling": kind} for kind in ("4:4:4", "4:2:2", "4:2:0")},
}


@pytest.mark.parametrize("name", JPEGS)
def test_every_jpeg(name: str) -> None:
    found = decode(encoded(photo(SIDE), "JPEG", quality=95, **JPEGS[name]))
    assert np.abs(found.astype(int) - np.asarray(photo(SIDE))).mean() < 4


@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_of_other_colours(progressive: bool) -> None:
    options = {"quality": 95, "progressive": progressive}
    grey = np.asarray(photo(SIDE).convert("L"))
    found = decode(encoded(photo(SIDE).convert("L"), "JPEG", **options))
    assert np.abs(found.astype(int) - grey[..., None]).mean() < 4
    inks = 255 - np.asarray(photo(SIDE))
    black = inks.min(axis=-1, keepdims=True) // 2
    stored = Image.fromarray(np.concatenate([inks - black, black], axis=-1), "CMYK")
    found = decode(encoded(stored, "JPEG", **options))
    shares = 255.0 - np.asarray(stored)
    told = shares[..., :3] * shares[..., 3:] / 255
    assert np.abs(found - told).mean() < 4


def test_an_arithmetic_coded_jpeg() -> None:
    """The file was made by libjpeg-turbo's ``jpegtran -arithmetic``; Pillow writes none."""
    data = Path(__file__).with_name("arithmetic.jpg").read_bytes()
    assert b"\xff\xc9" in data
    told = np.asarray(photo((24, 16)).resize((384, 256), Image.Resampling.BILINEAR))[:, 64:320]
    assert np.abs(decode(data).astype(int) - told).mean() < 8


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("animated", [False, True])
def test_every_webp(lossless: bool, alpha: bool, animated: bool) -> None:
    told = np.asarray(photo(SIDE)).astype(float)
    image = photo(SIDE)
    if alpha:
        ramp = samples(8, RGBA, SIDE)[..., 3].astype(np.uint8)
        image.putalpha(Image.fromarray(ramp))
        told = over_white(told, ramp[..., None])
    others = {"save_all": True, "append_images": [Image.new(image.mode, SIDE)], "duration": 50}
    options = others if animated else {}
    found = decode(encoded(image, "WEBP", lossless=lossless, exact=True, quality=90, **options))
    difference = np.abs(found - told)
    assert difference.max() <= 2 if lossless else difference.mean() < 4


@pytest.mark.parametrize("size", [(1, 1), (1, 16_384), (16_384, 1), (2, 3)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_sizes_of_one_colour(kind: str, size: tuple[int, int]) -> None:
    if kind == "WEBP":
        size = size[0] - size[0] // 16_384, size[1] - size[1] // 16_384  # 16,383 is its longest
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode(encoded(Image.new("RGB", size, (9, 99, 199)), kind, **options))
    assert np.abs(found.astype(int) - (9, 99, 199)).max() <= (3 if kind == "JPEG" else 0)


@pytest.mark.parametrize("upright", [False, True])
def test_a_line_of_pixels_shows_its_middle(upright: bool) -> None:
    line = np.full((16_384, 1), 10, np.uint8)
    line[8_192:] = 210
    stored = line if upright else line.T
    out = io.BytesIO()
    Image.fromarray(stored).save(out, "PNG")
    found = decode(out.getvalue())[..., 0]
    found = (found if upright else found.T).astype(int)
    assert (found == found[:, :1]).all()
    # 256 pixels show what lies between the middles of the two pixels in the middle.
    told = 10 + 200 * (np.arange(256) + 0.5) / 256
    assert np.abs(found[:, 0] - told).max() <= 1
