"""What becomes of a picture's bytes, format by format."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from sklearn.datasets import load_sample_image

from alexnet_pixels import decode as decoding
from alexnet_pixels import square
from alexnet_pixels.decode import decode
from alexnet_pixels.errors import (
    EmptyPicture,
    PictureTooLarge,
    UndecodablePicture,
    UnsupportedFormat,
)
from alexnet_pixels.limits import PixelLimits
from tests.faults.pictures import png_bytes
from tests.faults.pictures.jpeg_bytes import a_scan_a_component
from tests.faults.pictures.png_bytes import CHANNELS, PALETTE, chunk, of_samples


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


def require_torchvisions(pixels: np.ndarray, image: Image.Image) -> None:
    """At most 1/255 off anywhere, and as often above as below."""
    apart = pixels.astype(int) - by_torchvision_rules(image)
    assert np.abs(apart).max() <= 1
    assert np.abs(apart).mean() < 0.3
    assert abs(apart.mean()) < 0.03


SIZES = [(640, 427), (427, 640), (300, 299), (257, 1000), (40, 90), (256, 700)]


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_torchvisions(photo: Image.Image, size: tuple[int, int]) -> None:
    image = photo.resize(size)
    require_torchvisions(decode(encoded(image)), image)
    jpeg = encoded(image, "JPEG")
    require_torchvisions(decode(jpeg), Image.open(io.BytesIO(jpeg)))


@pytest.mark.parametrize("size", SIZES)
def test_pillow_resizes_where_there_is_nothing_faster(
    photo: Image.Image, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(square, "resizing", None)
    test_pixels_are_torchvisions(photo, size)


@pytest.mark.parametrize("size", [(256, 256), (256, 700), (400, 256)])
def test_what_need_not_be_resized_stays_as_it_is(photo: Image.Image, size: tuple[int, int]) -> None:
    image = photo.resize(size)
    assert np.array_equal(decode(encoded(image)), by_torchvision_rules(image))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpegs_pixels_are_pillows(
    photo: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    subsampling: str,
    progressive: bool,
) -> None:
    out = io.BytesIO()
    image = photo.convert(mode)
    image.save(out, "JPEG", quality=85, progressive=progressive, subsampling=subsampling)
    fast = decode(out.getvalue())
    monkeypatch.setattr(decoding, "_plain_jpeg", lambda *_: None)
    assert np.array_equal(fast, decode(out.getvalue()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_three_formats_by_content(photo: Image.Image, kind: str) -> None:
    pixels = decode(encoded(photo, kind))
    assert pixels.shape == (256, 256, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - by_torchvision_rules(photo)).mean() < 4


@pytest.mark.parametrize("text", [b"# A readme\n", b"<svg/>", b"PK\x03\x04zip", b"\x00" * 64])
def test_what_is_no_picture_is_named_so(text: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="not a JPEG, PNG or WEBP"):
        decode(text)


def test_no_bytes() -> None:
    with pytest.raises(EmptyPicture):
        decode(b"")


def test_a_palette_picture_without_a_palette() -> None:
    with pytest.raises(UndecodablePicture):
        decode(of_samples(np.zeros((300, 300, 1), np.uint8), 8, PALETTE))


@pytest.mark.parametrize("field", ["transparency", "bbox", "interlace", "exif", "xmp", "loop"])
@pytest.mark.parametrize("colour", CHANNELS)
def test_texts_named_like_pillows_own_fields(field: str, colour: int) -> None:
    """Pillow keeps a PNG's texts among what it found out itself."""
    text = chunk(b"tEXt", field.encode() + b"\0abc") + chunk(b"PLTE", bytes(768))
    try:
        pixels = decode(of_samples(np.zeros((300, 300, CHANNELS[colour])), 8, colour, before=text))
    except UndecodablePicture:
        return
    assert pixels.shape == (256, 256, 3)


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
    require_torchvisions(decode(encoded(stored, exif=exif)), photo)


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
        require_torchvisions(decode(data), photo)


def test_one_pixel() -> None:
    assert (decode(encoded(Image.new("RGB", (1, 1), (9, 99, 199)))) == (9, 99, 199)).all()


def bomb(kind: str, size: tuple[int, int], mode: str = "1", **options: object) -> bytes:
    return encoded(Image.new(mode, size), kind, **options)


def test_limits_are_met_exactly() -> None:
    limits = PixelLimits(max_pixels=20_000, max_pixels_reduced=40_000, max_side=400)
    assert decode(bomb("PNG", (200, 100)), limits).shape == (256, 256, 3)
    assert decode(bomb("JPEG", (400, 100), "L"), limits).shape == (256, 256, 3)
    for data in (
        bomb("PNG", (201, 100)),
        bomb("JPEG", (201, 100), "L", progressive=True),
        bomb("JPEG", (397, 101), "L"),
        bomb("PNG", (401, 1)),
        a_scan_a_component(201, 100),
    ):
        with pytest.raises(PictureTooLarge):
            decode(data, limits)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "depth", "most"),
    [
        *((png_bytes.RGB, 8, 200), (png_bytes.RGBA, 8, 150), (png_bytes.RGBA, 16, 75)),
        *((png_bytes.GREY, 16, 300), (png_bytes.GREY_ALPHA, 8, 300), (png_bytes.PALETTE, 1, 4800)),
    ],
)
def test_a_png_may_have_so_many_bytes(colour: int, depth: int, most: int, interlaced: bool) -> None:
    limits = PixelLimits(max_png_bytes=600)
    before = png_bytes.chunk(b"PLTE", bytes(6)) if colour == png_bytes.PALETTE else b""
    for width, is_let in ((most, True), (most + 8, False)):
        flat = png_bytes.flat(width, 1, depth, colour, interlaced)
        data = flat[:33] + before + flat[33:]
        if is_let:
            assert decode(data, limits).shape == (256, 256, 3)
        else:
            with pytest.raises(PictureTooLarge, match="the limit is 600"):
                decode(data, limits)


def test_reduced_decoding_stays_close(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo.resize((3_840, 2_562), Image.Resampling.LANCZOS), "JPEG", quality=92)
    reduced = decode(data).astype(int)
    monkeypatch.setattr(decoding, "_REDUCE_ABOVE_PIXELS", 10**9)
    whole = decode(data).astype(int)
    assert 0 < np.abs(reduced - whole).mean() < 1
