"""How a picture's bytes are divided up, looked at before a decoder gets them.

A decoder's time grows with a picture's pixels, which its header gives away, but also with the
pieces it is divided into: chunks (PNG, W3C Recommendation, section 5), segments and scans (JPEG,
ITU-T T.81, annex B).  Ten megabytes of empty pieces, or of text that inflates, took up to half a
minute.  Only lengths are read here, never what stands between them.  WEBP needs no look: its
pieces are walked in C, ten megabytes of them in a tenth of a second.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from alexnet_pixels.errors import UndecodablePicture
from alexnet_pixels.limits import STRUCTURE_LIMITS

_PNG = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 4: 2, 6: 4}  # of the colour types with more than one (PNG, section 11.2.1)
_INFLATED_TEXT = {b"iCCP", b"iTXt", b"zTXt"}
_JPEG = b"\xff\xd8\xff"
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF; DHT, JPG and DAC stand among them
_SEQUENTIAL = {0xC0, 0xC1, 0xC9}  # SOF of what may come in one pass: baseline, extended, arithmetic
_BARE = {0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}  # markers with no length after them
_APPLICATION = {*range(0xE0, 0xF0), _COM}
_METADATA = (b"Exif", b"Photoshop")  # what Pillow glues together or takes apart
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # RST0 to RST7 are part of a scan


@dataclass(frozen=True)
class Structure:
    """``scans``: how often the whole picture is gone over.

    ``in_one_pass``: no more than some of its rows are in memory while it is decoded, which holds
    for a JPEG that is sequential and has all its components in one scan.

    ``bits``: of a PNG's pixel; 0 of everything else.
    """

    scans: int = 1
    in_one_pass: bool = False
    bits: int = 0


class _Segment(NamedTuple):
    marker: int
    at: int  # where its length stands, which is the length's own 2 bytes and the content's
    length: int
    gap: int  # bytes between the segment before and this one: fill, or what no decoder knows


def look(data: bytes) -> Structure:
    """Find out how ``data`` is divided up; what is no JPEG and no PNG passes.

    Raises UndecodablePicture where there is more of something than STRUCTURE_LIMITS allow.
    """
    if data.startswith(_PNG):
        _require_few_chunks(data)
        depth, colour = data[24:25], data[25:26]  # of the header, which is always the first chunk
        return Structure(bits=sum(depth) * _CHANNELS.get(sum(colour), 1))
    if data.startswith(_JPEG):
        return _jpeg(data)
    return Structure()


def _require_few_chunks(data: bytes) -> None:
    chunks = inflated = 0
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            return
        chunks += 1
        _require("chunks", chunks, STRUCTURE_LIMITS.png_chunks)
        if kind in _INFLATED_TEXT:
            inflated += 1
            _require("compressed texts", inflated, STRUCTURE_LIMITS.png_inflated_texts)
        at += length + 12  # length, kind and checksum


def _jpeg(data: bytes) -> Structure:
    """Go up to the first scan, as Pillow does, and add up what costs it time."""
    frame = between = tables = metadata = 0
    components = b""  # how many, the byte as it stands
    for number, segment in enumerate(_segments(data, 2, _MARKER), start=1):
        between += segment.gap
        _require("segments", number, STRUCTURE_LIMITS.jpeg_segments)
        _require("bytes between segments", between, STRUCTURE_LIMITS.jpeg_bytes_between)
        at = segment.at
        if segment.marker == _SOS:
            in_one_pass = frame in _SEQUENTIAL and data[at + 2 : at + 3] == components
            return Structure(1 if in_one_pass else _scans(data, at + segment.length), in_one_pass)
        if segment.marker in _FRAMES:
            frame, components = segment.marker, data[at + 7 : at + 8]
        if segment.marker not in _APPLICATION:
            tables += segment.length
            _require("bytes of tables", tables, STRUCTURE_LIMITS.jpeg_table_bytes)
        elif data.startswith(_METADATA, at + 2):
            metadata += 1
            _require("segments of metadata", metadata, STRUCTURE_LIMITS.jpeg_metadata_segments)
    return Structure()


def _scans(data: bytes, at: int) -> int:
    """Count a JPEG's scans, of which the first begins at ``at``."""
    scans = 1
    for number, segment in enumerate(_segments(data, at, _MARKER_AFTER_SCAN), start=1):
        if segment.marker == _EOI:
            break
        scans += segment.marker == _SOS
        _require("segments", number, STRUCTURE_LIMITS.jpeg_segments)
    return scans


def _segments(data: bytes, at: int, marker: re.Pattern[bytes]) -> Iterator[_Segment]:
    while found := marker.search(data, at):
        gap, at = found.start() - at, found.end()
        code = data[at - 1]
        length = 0 if code in _BARE else max(2, int.from_bytes(data[at : at + 2], "big"))
        yield _Segment(code, at, length, gap)
        at += length


def _require(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise UndecodablePicture(
            f"the picture has more than {limit:,} {what}, the limit: save it anew"
        )
