"""PNG written by hand: every colour type and depth, interlaced, or flat and enormous."""

from __future__ import annotations

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # colour types
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Adam7: first column and row of each pass, and the steps to the next.
PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_ZEROS_A_BLOCK = 1 << 20


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """Length, kind, data and checksum."""
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of each chunk."""
    found, at = [], len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def assembled(
    width: int,
    height: int,
    image_data: bytes,
    *,
    depth: int = 8,
    colour: int = GREY,
    interlaced: bool = False,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A file of a header, ``before``, the chunks ``image_data``, ``after`` and the end."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return SIGNATURE + chunk(b"IHDR", header) + before + image_data + after + chunk(b"IEND")


def of_samples(
    samples: np.ndarray, depth: int, colour: int, interlaced: bool = False, before: bytes = b""
) -> bytes:
    """A file of samples [h, w, channels], each below 2 ** depth."""
    height, width, _ = samples.shape
    rows = b"".join(_rows(part, depth) for part in _parts(samples, interlaced))
    data = chunk(b"IDAT", zlib.compress(rows))
    kind = {"depth": depth, "colour": colour, "interlaced": interlaced}
    return assembled(width, height, data, before=before, **kind)


def flat(
    width: int, height: int, depth: int = 8, colour: int = GREY, interlaced: bool = False
) -> bytes:
    """A whole and valid picture of zeros: some thousandths of what it is decoded."""
    kind = {"depth": depth, "colour": colour, "interlaced": interlaced}
    bits = depth * CHANNELS[colour]
    sizes = [(width, height)]
    if interlaced:
        sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in PASSES]
    length = sum(rows * ((columns * bits + 7) // 8 + 1) for columns, rows in sizes if columns > 0)
    return assembled(width, height, chunk(b"IDAT", _zeros(length)), **kind)


def _zeros(length: int) -> bytes:
    """``length`` zeros in zlib's format; not compressed at once, which would take seconds."""
    whole, rest = divmod(length, _ZEROS_A_BLOCK)
    block = zlib.compressobj(9, wbits=-15)
    repeated = block.compress(bytes(_ZEROS_A_BLOCK)) + block.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    end = last.compress(bytes(rest)) + last.flush()
    adler = (length % 65_521) << 16 | 1
    return b"\x78\x9c" + repeated * whole + end + struct.pack(">I", adler)


def _parts(samples: np.ndarray, interlaced: bool) -> list[np.ndarray]:
    if not interlaced:
        return [samples]
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES]
    return [part for part in parts if part.size]


def _rows(samples: np.ndarray, depth: int) -> bytes:
    height = samples.shape[0]
    if depth == 16:
        packed = np.ascontiguousarray(samples, ">u2").view(np.uint8).reshape(height, -1)
    elif depth == 8:
        packed = samples.astype(np.uint8).reshape(height, -1)
    else:
        bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        packed = np.packbits(bits.reshape(height, -1), axis=1)
    unfiltered = np.zeros((height, 1), np.uint8)
    return np.concatenate([unfiltered, packed], axis=1).tobytes()
