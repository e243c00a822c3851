"""Bytes of one picture -> its central 256x256 in RGB.

Pillow reads every format; an ordinary JPEG is decoded by simplejpeg, which uses the same library
(libjpeg-turbo) with less around it and gives the same pixels.
"""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from alexnet_pixels.errors import (
    EmptyPicture,
    PictureTooLarge,
    UndecodablePicture,
    UnsupportedFormat,
)
from alexnet_pixels.limits import DEFAULT_LIMITS, PixelLimits
from alexnet_pixels.square import SIDE, Pixels, central_square
from alexnet_pixels.structure import Structure, look

FORMATS = ("JPEG", "PNG", "WEBP")
# Above this a JPEG is decoded at reduced size: 8 Mpx in full cost 0.1 s and 24 MB.
_REDUCE_ABOVE_PIXELS = 8_000_000
# The reduced picture keeps at least this many pixels on its shorter side, so that the filter
# that brings it to 256 still averages four or more: photos come out under 1/255 off the full
# decode on average.
_REDUCED_SIDE = 4 * SIDE
_ORIENTATION = 0x0112  # EXIF tag; its values say how the stored picture has to be turned
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise on bytes that are not what their header says.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    MemoryError,
    ValueError,
    NotImplementedError,
    OverflowError,
    EOFError,
    TypeError,
    AssertionError,  # a PNG of palette colours without a palette
    struct.error,
    zlib.error,
)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def decode(data: bytes, limits: PixelLimits = DEFAULT_LIMITS) -> Pixels:
    """Decode one JPEG, PNG or WEBP to uint8 [256, 256, 3].

    EXIF orientation is applied, transparency laid over white, every mode brought to RGB, and of
    an animation the first frame taken.  The format is found by content.

    Raises EmptyPicture, UnsupportedFormat, PictureTooLarge or UndecodablePicture.
    """
    if not data:
        raise EmptyPicture("the picture has 0 bytes")
    image = _open(data, limits)
    try:
        plain = _plain_jpeg(image, data)
        return central_square(_as_rgb(_upright(image)) if plain is None else plain)
    except _BOMBS as error:
        raise PictureTooLarge(str(error)) from error
    except _DECODER_ERRORS as error:
        raise UndecodablePicture(
            f"the {_kind(image)} data is truncated or corrupt ({error})"
        ) from error


def _plain_jpeg(image: Image.Image, data: bytes) -> Pixels | None:
    """A JPEG of colours or greys that lies upright and is not reduced, uint8 [height, width, 3].

    None of every other picture, and where anything at all is wrong with it: Pillow then says what.
    """
    if _kind(image) != "JPEG" or image.mode not in ("RGB", "L"):
        return None
    if getattr(image, "decoderconfig", ()) or image.getexif().get(_ORIENTATION, 1) in _TURNS:
        return None  # to be reduced, or turned
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError:
        return None
    return pixels


def _open(data: bytes, limits: PixelLimits) -> Image.Image:
    structure = look(data)
    _silence_pillow()
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UnsupportedFormat(
            f"the {len(data)} bytes are not a JPEG, PNG or WEBP picture"
        ) from error
    except _BOMBS as error:
        raise PictureTooLarge(
            f"the picture has more pixels than the limit of {limits.max_pixels:,}"
        ) from error
    except _DECODER_ERRORS as error:
        raise UndecodablePicture(f"the picture's header is corrupt ({error})") from error
    _refuse_large(image, structure, limits)
    if _kind(image) == "JPEG" and image.width * image.height > _REDUCE_ABOVE_PIXELS:
        scale = _REDUCED_SIDE / min(image.size)
        image.draft(image.mode, (round(image.width * scale), round(image.height * scale)))
    return image


@functools.cache
def _silence_pillow() -> None:
    # Its warnings about odd metadata hold the picture's own numbers: Python would keep each for the
    # life of the process, and write it between the lines of a log: 65,000 from one picture.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _refuse_large(image: Image.Image, structure: Structure, limits: PixelLimits) -> None:
    width, height = image.size
    if max(width, height) > limits.max_side:
        raise PictureTooLarge(
            f"the picture is {width}x{height}; the limit is {limits.max_side:,} pixels a side"
        )
    allowed = limits.max_pixels_reduced if structure.in_one_pass else limits.max_pixels
    if width * height > allowed:
        raise PictureTooLarge(
            f"the picture is {width}x{height} = {width * height:,} pixels; the limit is "
            f"{allowed:,} for this kind ({limits.max_pixels_reduced:,} for a baseline JPEG in one "
            f"scan, {limits.max_pixels:,} otherwise): make it smaller first"
        )
    png_bytes = width * height * structure.bits // 8
    if png_bytes > limits.max_png_bytes:
        raise PictureTooLarge(
            f"the picture is a PNG of {width}x{height} pixels with {structure.bits} bits each = "
            f"{png_bytes:,} bytes; the limit is {limits.max_png_bytes:,}: save it in 8 bits, "
            "without alpha, or make it smaller"
        )
    if width * height * structure.scans > limits.max_scanned_pixels:
        raise PictureTooLarge(
            f"the picture is {width}x{height} in {structure.scans} scans; the limit is "
            f"{limits.max_scanned_pixels:,} pixels times scans: save it as a baseline JPEG"
        )


def _kind(image: Image.Image) -> str | None:
    # Many phones append a second picture to a JPEG; Pillow then calls it MPO.
    return "JPEG" if image.format == "MPO" else image.format


def _upright(image: Image.Image) -> Image.Image:
    # Not ImageOps.exif_transpose: it writes the EXIF anew, and fails on tags of a wrong type.
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion clips at 255
        deep = np.asarray(image)
        grey = (deep >> 8).astype(np.uint8)
        grey[deep == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        if image.mode != "RGBA":  # converted all the same, it would be copied
            image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
