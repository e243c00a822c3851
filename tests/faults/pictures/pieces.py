"""Pictures of few pixels that are all pieces: chunks, segments, fill, tables, texts, scans.

As large as may be sent, 10 MiB, in the whole of the tests; those that are refused need no more
than some of it to be.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np

from tests.faults.pictures import jpeg_bytes, png_bytes, webp_bytes
from tests.faults.pictures.jpeg_bytes import inserted, segment
from tests.faults.pictures.sources import SOURCES, encoded, photo
from tests.faults.size import sized

_MIB = 1024 * 1024
_MOST_BYTES = sized(4 * _MIB, 10 * _MIB) - 40_000
_MIB_OF_ZEROS = zlib.compress(bytes(_MIB), 9)
_WIDE_TEXT = zlib.compress("\N{GRINNING FACE}".encode() + b"a" * (_MIB - 4), 9)
_EXIF_HEAD = b"II*\0\x08\0\0\0"


def many(piece: bytes) -> bytes:
    """As many as there is room for."""
    return piece * (_MOST_BYTES // len(piece))


@cache
def _jpeg() -> bytes:
    return SOURCES["JPEG"]()


def _png(before: bytes = b"", after: bytes = b"", image_data: bytes | None = None) -> bytes:
    data = png_bytes.chunk(b"IDAT", zlib.compress(bytes(9 * 8)))
    return png_bytes.assembled(8, 8, image_data or data, before=before, after=after)


def _byte_by_byte() -> bytes:
    rows = np.random.default_rng(0).integers(0, 256, (400, 401), dtype=np.uint8)
    rows[:, 0] = 0
    stream = zlib.compress(rows.tobytes(), 0)
    data = b"".join(png_bytes.chunk(b"IDAT", stream[at : at + 1]) for at in range(len(stream)))
    return png_bytes.assembled(400, 400, data)


def exif_directory(entries: int = 65_535, count: int = 1) -> bytes:
    """A directory of 2-byte numbers, ``count`` to each tag."""
    tags = (struct.pack("<HHLL", tag, 3, count, 8) for tag in range(entries))
    return _EXIF_HEAD + struct.pack("<H", entries) + b"".join(tags)


def _exif_segments(exif: bytes) -> bytes:
    parts = (exif[at : at + 65_000] for at in range(0, len(exif), 65_000))
    return b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts)


def _multi_picture_index() -> bytes:
    entries = struct.pack("<HHLL", 0xB001, 4, 1, 4_000) + struct.pack(
        "<HHLL", 0xB002, 7, 64_000, 38
    )
    index = _EXIF_HEAD + struct.pack("<H", 2) + entries + bytes(4)
    return segment(0xE2, b"MPF\0" + index + bytes(64_000))


def _with_webp_chunks(before: bytes = b"", after: bytes = b"", flags: int = 0) -> bytes:
    picture = webp_bytes.image_data(encoded(photo((64, 64)), "WEBP"))
    return webp_bytes.assembled(webp_bytes.canvas(64, 64, flags), before, picture, after)


# What was seen to take 0.7 to 23 seconds of one core, or 350 MB, before any pixel was decoded.
REFUSED: dict[str, Callable[[], bytes]] = {
    "PNG: empty chunks before the image": lambda: _png(before=many(png_bytes.chunk(b"abCd"))),
    "PNG: empty chunks after the image": lambda: _png(after=many(png_bytes.chunk(b"abCd"))),
    "PNG: empty image chunks": lambda: _png(image_data=many(png_bytes.chunk(b"IDAT"))),
    "PNG: image chunks of a byte": _byte_by_byte,
    "PNG: texts of nothing": lambda: _png(before=many(png_bytes.chunk(b"tEXt", b"key\0"))),
    "PNG: profiles of a MiB": lambda: _png(
        before=many(png_bytes.chunk(b"iCCP", b"x\0\0" + _MIB_OF_ZEROS))
    ),
    "PNG: texts of a MiB": lambda: _png(
        before=many(png_bytes.chunk(b"zTXt", b"\0\0" + _MIB_OF_ZEROS))
    ),
    "PNG: wide texts of 4 MiB": lambda: _png(
        before=many(png_bytes.chunk(b"iTXt", b"k\0\1\0\0\0" + _WIDE_TEXT))
    ),
    "JPEG: fill bytes": lambda: inserted(_jpeg(), many(b"\xff")),
    "JPEG: bytes of no segment": lambda: inserted(_jpeg(), segment(0xFE) + many(b"\0")),
    "JPEG: empty comments": lambda: inserted(_jpeg(), many(segment(0xFE))),
    "JPEG: empty application segments": lambda: inserted(_jpeg(), many(segment(0xE5))),
    "JPEG: empty profiles": lambda: inserted(_jpeg(), many(segment(0xE2, b"ICC_PROFILE\0\1\1"))),
    "JPEG: quantisation tables": lambda: inserted(
        _jpeg(), many(segment(0xDB, bytes([0, *[1] * 64]) * 1_000))
    ),
    "JPEG: frame headers": lambda: inserted(
        _jpeg(), many(segment(0xC0, b"\x08\0\x08\0\x08\3" + b"\1\x11\0" * 20_000))
    ),
    "JPEG: Photoshop resources": lambda: inserted(
        _jpeg(), many(segment(0xED, b"Photoshop 3.0\0" + (b"8BIM\0\1" + bytes(6)) * 5_400))
    ),
    "JPEG: EXIF in small parts": lambda: inserted(
        _jpeg(), many(segment(0xE1, b"Exif\0\0" + _EXIF_HEAD + bytes(1_000)))
    ),
    "JPEG: scans of one pixel": lambda: jpeg_bytes.refined(8, 8, 300_000),
    "JPEG: 1,000 scans of 1 Mpx": lambda: jpeg_bytes.refined(1_000, 1_000, 1_000),
    "JPEG: 26 scans of 24 Mpx": lambda: jpeg_bytes.refined(6_000, 4_000, 26),
}

# Pieces that are decoded, because they take no longer than a large picture does.
DECODED: dict[str, Callable[[], bytes]] = {
    "PNG: as many chunks as may be": lambda: _png(before=png_bytes.chunk(b"abCd") * 9_998),
    "PNG: as many wide texts as may be": lambda: _png(
        before=b"".join(
            png_bytes.chunk(b"iTXt", b"k%d\0\1\0\0\0" % number + _WIDE_TEXT) for number in range(32)
        )
    ),
    "PNG: 10 MiB of XMP": lambda: _png(
        before=png_bytes.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + many(b"tiff:Orientation="))
    ),
    "PNG: 65,535 EXIF tags": lambda: _png(before=png_bytes.chunk(b"eXIf", exif_directory())),
    "JPEG: 65,535 EXIF tags": lambda: inserted(_jpeg(), _exif_segments(exif_directory())),
    "JPEG: EXIF tags that claim too much": lambda: inserted(
        _jpeg(), _exif_segments(exif_directory(count=60_000))
    ),
    "JPEG: as many fill bytes as may be": lambda: inserted(_jpeg(), b"\xff" * 65_500),
    "JPEG: as many segments as may be": lambda: inserted(_jpeg(), segment(0xFE) * 3_980),
    "JPEG: as many Photoshop resources as may be": lambda: inserted(
        _jpeg(), segment(0xED, b"Photoshop 3.0\0" + (b"8BIM\0\1" + bytes(6)) * 5_400) * 32
    ),
    "JPEG: 10 MiB of XMP": lambda: inserted(
        _jpeg(),
        many(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"tiff:Orientation=" * 3_800)),
    ),
    "JPEG: an index of 4,000 pictures": lambda: inserted(_jpeg(), _multi_picture_index()),
    "JPEG: 10 MiB of stuffed bytes": lambda: (
        jpeg_bytes.head(jpeg_bytes.PROGRESSIVE, 8, 8)
        + jpeg_bytes.scan(range(1, 2), 0, 0, data=many(b"\xff\0"))
        + jpeg_bytes.END
    ),
    "JPEG: 25 scans of 24 Mpx": lambda: jpeg_bytes.refined(6_000, 4_000, 25),
    "WEBP: chunks before the image": lambda: _with_webp_chunks(
        before=many(webp_bytes.chunk(b"abcd", b""))
    ),
    "WEBP: chunks after the image": lambda: _with_webp_chunks(
        after=many(webp_bytes.chunk(b"abcd", b""))
    ),
    "WEBP: 65,535 EXIF tags": lambda: _with_webp_chunks(
        after=webp_bytes.chunk(b"EXIF", exif_directory()), flags=webp_bytes.EXIF
    ),
    "WEBP: frames of a pixel": lambda: webp_bytes.animated(
        64, 64, many(webp_bytes.frame(1, 1, webp_bytes.image_data(webp_bytes.flat(1, 1))))
    ),
}
