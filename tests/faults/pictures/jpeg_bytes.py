"""JPEG written by hand: flat pictures of any size, cut into any number of scans."""

from __future__ import annotations

import struct

START, END = b"\xff\xd8", b"\xff\xd9"
BASELINE, PROGRESSIVE, ARITHMETIC, LOSSLESS = 0xC0, 0xC2, 0xC9, 0xC3
_LONGEST_RUN = 1 << 14  # blocks of nothing that one symbol of 15 bits stands for here


def segment(marker: int, data: bytes = b"") -> bytes:
    """Marker, length and data."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def inserted(jpeg: bytes, segments: bytes) -> bytes:
    """``jpeg`` with ``segments`` before all others."""
    return jpeg[:2] + segments + jpeg[2:]


def head(frame: int, width: int, height: int, components: int = 1) -> bytes:
    """All before the first scan: tables in which one bit 0 is a block of nothing."""
    sampling = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    return (
        START
        + segment(0xDB, b"\0" + bytes([1] * 64))
        + segment(frame, struct.pack(">BHHB", 8, height, width, components) + sampling)
        + _codes(0x00, 0x00)
        + _codes(0x10, 0xE0 if frame == PROGRESSIVE else 0x00)
    )


def scan(
    components: range, first: int = 0, last: int = 63, approximation: int = 0, data: bytes = b""
) -> bytes:
    """One scan over ``components`` (from 1); without ``data`` its blocks stay as they are."""
    chosen = b"".join(bytes([number, 0]) for number in components)
    ends = bytes([first, last, approximation])
    return segment(0xDA, bytes([len(components)]) + chosen + ends) + data


def in_one_scan(frame: int, width: int, height: int, components: int = 3) -> bytes:
    """A grey picture, whole and valid."""
    return head(frame, width, height, components) + scan(range(1, components + 1)) + END


def a_scan_a_component(width: int, height: int, components: int = 3) -> bytes:
    """A sequential picture of which all coefficients are kept until it has ended."""
    scans = b"".join(scan(range(number, number + 1)) for number in range(1, components + 1))
    return head(BASELINE, width, height, components) + scans + END


def refined(width: int, height: int, scans: int) -> bytes:
    """A progressive picture: one scan, and ``scans - 1`` that look at all its coefficients anew."""
    blocks = -(-width // 8) * -(-height // 8)
    runs = -(-blocks // _LONGEST_RUN)
    bits = ("0" + "0" * 14) * runs
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    again = scan(range(1, 2), 1, 63, 0x10, data)
    return head(PROGRESSIVE, width, height) + scan(range(1, 2), 0, 0) + again * (scans - 1) + END


def lossless(width: int, height: int) -> bytes:
    """A grey picture that libjpeg cannot decode at reduced size."""
    data = bytes(width * height // 8 + 1)
    return head(LOSSLESS, width, height) + scan(range(1, 2), 1, 0, 0, data) + END


def _codes(table: int, symbol: int) -> bytes:
    return segment(0xC4, bytes([table, 1] + [0] * 15 + [symbol]))
