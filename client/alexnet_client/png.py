"""Pixels in memory as the bytes of a PNG file, which loses nothing of them.

Needs no imaging library: an image of Pillow's saves itself, and an array's PNG (W3C, third
edition, 2025) is a few chunks around what zlib makes of the rows.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from typing import IO, Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2  # colour types, section 11.2.1
_UP = 2  # filter: less the byte above, section 9.2
_LEVEL = 1  # zlib's fastest: it is read once, nearby
_SAVED_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"})


class PilImage(Protocol):
    """What is used of ``PIL.Image.Image``."""

    @property
    def mode(self) -> str:
        """How its pixels are kept: ``"RGB"``, ``"L"``, ..."""

    def save(self, fp: IO[bytes], format: str | None = None, **params: Any) -> None:  # noqa: ANN401
        """Write it as a file."""

    def convert(self, mode: str) -> Any:  # noqa: ANN401  an image again
        """Return it in another mode."""

    def getexif(self) -> Any:  # noqa: ANN401  a class of Pillow's own
        """Return its EXIF tags, orientation among them."""


def is_pil_image(picture: object) -> TypeGuard[PilImage]:
    """Return whether it is an image of Pillow's; whoever holds one has imported Pillow."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(picture, pillow.Image)


def of_pil_image(image: PilImage) -> bytes:
    """Return the image as PNG; one that says it lies on its side still says so.

    Raises:
        OSError, ValueError: its file turns out to be broken, or its pixels cannot be RGB.
    """
    exif = image.getexif()
    pixels = image if image.mode in _SAVED_MODES else image.convert("RGB")
    file = io.BytesIO()
    pixels.save(file, "PNG", compress_level=_LEVEL, exif=exif)
    return file.getvalue()


def of_array(array: NDArray[Any]) -> bytes:
    """Return an array, uint8 [height, width, 3] (red, green, blue) or [height, width], as PNG.

    Raises:
        ValueError: it is of another dtype or shape, or has no pixel.
    """
    colours = array.shape[2:]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or colours not in ((), (3,)):
        raise ValueError(
            f"an array is uint8 [height, width, 3] or [height, width], not {array.dtype} "
            f"{list(array.shape)}{_advice(array)}"
        )
    if not array.size:
        raise ValueError(f"the array {list(array.shape)} has no pixel")
    height, width = array.shape[:2]
    rows = array.reshape(height, -1)  # [h, w * 3] or [h, w]
    filtered = np.full((height, 1 + rows.shape[1]), _UP, np.uint8)
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256, as the filter has it
    kind = _RGB if colours else _GREY
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(filtered.data, _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _advice(array: NDArray[Any]) -> str:
    if array.dtype.kind == "f":
        return ": bring it to 0 to 255 and round, then .astype(numpy.uint8)"
    if array.ndim == 4:
        return ": several pictures are given as list(array)"
    if array.ndim == 3 and array.shape[0] in (1, 3):
        return ": put the colours last, numpy.moveaxis(array, 0, -1)"
    return ""
