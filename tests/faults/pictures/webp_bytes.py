"""WEBP written by hand: canvases, frames and flat pictures of any size."""

from __future__ import annotations

import io
import struct

from PIL import Image

ANIMATED, EXIF = 0x02, 0x08  # flags of the canvas


def chunk(kind: bytes, data: bytes) -> bytes:
    """Kind, length and data, on an even number of bytes."""
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def assembled(*chunks: bytes) -> bytes:
    """A file of these chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def canvas(width: int, height: int, flags: int = 0) -> bytes:
    """The chunk that says how large the picture is, whatever its frames are."""
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + _size(width) + _size(height))


def frame(width: int, height: int, picture: bytes) -> bytes:
    """One frame of an animation, at its top left; ``picture``: a chunk of image data."""
    return chunk(b"ANMF", bytes(6) + _size(width) + _size(height) + b"\1\0\0\0" + picture)


def animated(width: int, height: int, *frames: bytes) -> bytes:
    """A file of ``frames``."""
    return assembled(canvas(width, height, ANIMATED), chunk(b"ANIM", bytes(6)), *frames)


def image_data(webp: bytes) -> bytes:
    """The one chunk of a file that has no other."""
    return webp[12:]


def flat(width: int, height: int) -> bytes:
    """A whole and valid lossless picture of one colour, in 36 bytes whatever its size."""
    out = io.BytesIO()
    Image.new("RGB", (1, 1), (9, 99, 199)).save(out, "WEBP", lossless=True)
    data = bytearray(out.getvalue())
    # 14 bits of width, 14 of height; a colour that every pixel has takes no bits at all.
    (bits,) = struct.unpack_from("<I", data, 21)
    struct.pack_into("<I", data, 21, bits >> 28 << 28 | (height - 1) << 14 | (width - 1))
    return bytes(data)


def _size(pixels: int) -> bytes:
    return (pixels - 1).to_bytes(3, "little")
