"""What becomes of a picture's bytes, format by format."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from sklearn.datasets import load_sample_image

from alexnet_pixels import decode as decoding
from alexnet_pixels.decode import decode
from alexnet_pixels.errors import (
    EmptyPicture,
    PictureError,
    PictureTooLarge,
    UndecodablePicture,
    UnsupportedFormat,
)
from alexnet_pixels.limits import PixelLimits


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(load_sample_image("china.jpg"))  # 640x427


def by_torchvision_rules(image: Image.Image) -> np.ndarray:
    """Resize(256) and CenterCrop(256), written out: PIL bilinear, int() and round()."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    resized = (256, int(256 * long / short)) if width <= height else (int(256 * long / short), 256)
    image = image.resize(resized, Image.Resampling.BILINEAR)
    top, left = int(round((resized[1] - 256) / 2.0)), int(round((resized[0] - 256) / 2.0))
    return np.asarray(image)[top : top + 256, left : left + 256]


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (256, 256), (300, 299), (257, 1000)])
def test_sizes_and_rounding_are_torchvisions(photo: Image.Image, size: tuple[int, int]) -> None:
    image = photo.resize(size)
    assert np.array_equal(decode(encoded(image)), by_torchvision_rules(image))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_three_formats_by_content(photo: Image.Image, kind: str) -> None:
    pixels = decode(encoded(photo, kind))
    assert pixels.shape == (256, 256, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - by_torchvision_rules(photo)).mean() < 4


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # Pillow's IM writer
def test_every_other_format_is_refused_by_content(photo: Image.Image) -> None:
    Image.init()
    refused = []
    for kind in sorted(set(Image.SAVE) - {"JPEG", "MPO", "PNG", "WEBP"}):
        try:
            data = encoded(photo.resize((64, 64)).convert("RGB"), kind)
        except (OSError, ValueError, KeyError, ImportError):
            continue  # Pillow writes this format in another mode or only with a library
        with pytest.raises(UnsupportedFormat):
            decode(data)
        refused.append(kind)
    assert {"BMP", "GIF", "ICO", "PDF", "TIFF", "EPS"} <= set(refused)


@pytest.mark.parametrize("text", [b"# A readme\n", b"<svg/>", b"PK\x03\x04zip", b"\x00" * 64])
def test_what_is_no_picture_is_named_so(text: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="not a JPEG, PNG or WEBP"):
        decode(text)


def test_no_bytes() -> None:
    with pytest.raises(EmptyPicture):
        decode(b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_cut_at_every_percent(photo: Image.Image, kind: str) -> None:
    data = encoded(photo, kind)
    for percent in range(1, 100):
        with pytest.raises((UndecodablePicture, UnsupportedFormat)):
            decode(data[: len(data) * percent // 100])


def test_mutations_give_pixels_or_an_error_of_ours(photo: Image.Image) -> None:
    random = np.random.default_rng(40)
    small = photo.resize((96, 64))
    sources = [np.frombuffer(encoded(small, kind), np.uint8) for kind in ("JPEG", "PNG", "WEBP")]
    outcomes = {"pixels": 0, "error": 0}
    for turn in range(1_500):
        data = sources[turn % 3].copy()
        places = random.integers(0, len(data), random.integers(1, 9))
        data[places] = random.integers(0, 256, len(places))
        try:
            assert decode(data.tobytes()).shape == (256, 256, 3)
            outcomes["pixels"] += 1
        except PictureError:
            outcomes["error"] += 1
    assert min(outcomes.values()) > 50, outcomes


def test_grey_palette_alpha_cmyk_and_16_bit(photo: Image.Image) -> None:
    grey = decode(encoded(photo.convert("L")))
    assert np.array_equal(grey[..., 0], grey[..., 2])
    palette = decode(encoded(photo.convert("P", palette=Image.Palette.ADAPTIVE)))
    assert np.abs(palette.astype(int) - by_torchvision_rules(photo)).mean() < 6
    cmyk = decode(encoded(photo.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk.astype(int) - by_torchvision_rules(photo)).mean() < 4
    deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    assert np.abs(decode(encoded(deep)).astype(int) - grey).max() <= 1
    one_bit = decode(encoded(photo.convert("1")))
    assert one_bit.min() < 64
    assert one_bit.max() > 192


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    if mode == "PA":  # a palette with one transparent colour
        data = encoded(Image.new("P", (300, 300), 0), transparency=0)
    else:
        data = encoded(clear.convert(mode))
    assert (decode(data) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(photo: Image.Image, orientation: int) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned left, shown turned right
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = photo.transpose(turns[orientation]) if orientation in turns else photo
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(encoded(stored, exif=exif)), by_torchvision_rules(photo))


@pytest.mark.parametrize(("tag", "kind", "value"), [(0x132, 5, (1, 1)), (0x10F, 11, 1.0)])
def test_exif_tags_of_a_wrong_type_do_no_harm(
    photo: Image.Image, tag: int, kind: int, value: object
) -> None:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory.tagtype[tag] = kind
    directory[tag] = TiffImagePlugin.IFDRational(*value) if isinstance(value, tuple) else value
    directory[0x0112] = 6
    header = b"II*\x00\x08\x00\x00\x00"
    exif = b"Exif\x00\x00" + header + directory.tobytes(offset=8)
    data = encoded(photo.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6
    assert np.abs(decode(data).astype(int) - by_torchvision_rules(photo)).mean() < 4


def test_a_phones_jpeg_with_a_second_picture_is_a_jpeg(photo: Image.Image) -> None:
    limits = PixelLimits(max_pixels=100, max_pixels_reduced=640 * 427)
    data = encoded(photo, "MPO", save_all=True, append_images=[photo.resize((64, 64))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert np.abs(decode(data, limits).astype(int) - by_torchvision_rules(photo)).mean() < 4


def test_16_bit_transparency_is_laid_over_white() -> None:
    deep = Image.fromarray(np.zeros((300, 300), np.uint16))
    assert (decode(encoded(deep)) == 0).all()
    assert (decode(encoded(deep, transparency=0)) == 255).all()


def test_first_frame_of_an_animation(photo: Image.Image) -> None:
    other = Image.new("RGB", photo.size, "red")
    for kind in ("PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(photo, kind, save_all=True, append_images=[other], duration=100, **options)
        assert np.array_equal(decode(data), by_torchvision_rules(photo))


def test_one_pixel() -> None:
    assert (decode(encoded(Image.new("RGB", (1, 1), (9, 99, 199)))) == (9, 99, 199)).all()


def test_a_long_thin_picture_costs_little() -> None:
    stripes = np.zeros((16_384, 4), np.uint8)
    stripes[8_180:8_204] = 200
    data = encoded(Image.fromarray(stripes))
    assert len(data) < 400
    script = (
        "import resource, sys; from alexnet_pixels.decode import decode;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "decode(sys.stdin.buffer.read());"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    grown_kb = subprocess.run(
        [sys.executable, "-c", script], input=data, capture_output=True, check=True
    ).stdout
    assert int(grown_kb) < 20_000
    assert (decode(data) == 200).all(axis=(1, 2))[100:156].all()


def bomb(kind: str, size: tuple[int, int], mode: str = "1", **options: object) -> bytes:
    return encoded(Image.new(mode, size), kind, **options)


BOMBS = {
    "25 Mpx PNG": lambda: bomb("PNG", (5_000, 5_001)),
    "25 Mpx RGB PNG": lambda: bomb("PNG", (5_000, 5_001), "RGB"),
    "90 Mpx PNG": lambda: bomb("PNG", (9_500, 9_500)),
    "170 Mpx PNG": lambda: bomb("PNG", (13_050, 13_050)),
    "25 Mpx progressive JPEG": lambda: bomb("JPEG", (5_000, 5_001), "L", progressive=True),
    "72 Mpx JPEG": lambda: bomb("JPEG", (8_500, 8_500), "L"),
    "one long side": lambda: bomb("PNG", (16_385, 1)),
    "WebP of 16,383 a side": lambda: bomb("WEBP", (16_383, 16_383), "RGB", lossless=True, method=0),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_are_decoded(name: str) -> None:
    data = BOMBS[name]()
    script = (
        "import resource, sys, time, warnings; warnings.simplefilter('ignore');"
        "from alexnet_pixels.decode import decode; from alexnet_pixels.errors import *;"
        "data = sys.stdin.buffer.read();"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: decode(data)\n"
        "except PictureTooLarge: print('refused')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=data, capture_output=True, check=True
    )
    answer, grown_kb = done.stdout.split()
    assert answer == b"refused"
    assert int(grown_kb) < 20_000


def test_limits_are_met_exactly() -> None:
    limits = PixelLimits(max_pixels=20_000, max_pixels_reduced=40_000, max_side=400)
    assert decode(bomb("PNG", (200, 100)), limits).shape == (256, 256, 3)
    assert decode(bomb("JPEG", (400, 100), "L"), limits).shape == (256, 256, 3)
    for data in (
        bomb("PNG", (201, 100)),
        bomb("JPEG", (201, 100), "L", progressive=True),
        bomb("JPEG", (397, 101), "L"),
        bomb("PNG", (401, 1)),
    ):
        with pytest.raises(PictureTooLarge):
            decode(data, limits)


def test_reduced_decoding_stays_close(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo.resize((3_840, 2_562), Image.Resampling.LANCZOS), "JPEG", quality=92)
    reduced = decode(data).astype(int)
    monkeypatch.setattr(decoding, "_REDUCE_ABOVE_PIXELS", 10**9)
    whole = decode(data).astype(int)
    assert 0 < np.abs(reduced - whole).mean() < 1
