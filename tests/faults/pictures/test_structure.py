"""Pictures that are all pieces cost no more than large ones, or are refused."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureTooLarge, UndecodablePicture
from alexnet_pixels.limits import DEFAULT_LIMITS, STRUCTURE_LIMITS
from alexnet_pixels.structure import Structure, look
from tests.faults.pictures import jpeg_bytes, pieces, png_bytes
from tests.faults.pictures.decoding import decoded
from tests.faults.pictures.jpeg_bytes import BASELINE, PROGRESSIVE, inserted, segment
from tests.faults.pictures.sources import SOURCES

MOST_KB = 20_000
# The pieces that are let pass may be texts of 128 MiB, or 24 Mpx of coefficients.
MOST_DECODED_KB = 300_000
# How much longer than 24 grey megapixels of PNG anything may take.
MOST_TIMES = 5


def test_pieces_cost_no_more_than_pixels() -> None:
    plain = {"24 Mpx": png_bytes.flat(6_000, 4_000)}
    refused = {name: make() for name, make in pieces.REFUSED.items()}
    passed = {name: make() for name, make in pieces.DECODED.items()}
    found = decoded(refused | plain | passed)
    for name in refused:
        assert found[name].outcome in ("UndecodablePicture", "PictureTooLarge"), name
        assert found[name].grown_kb < MOST_KB, name
    allowed_s = MOST_TIMES * found["24 Mpx"].cpu_s
    for name, one in found.items():
        assert one.cpu_s < allowed_s, (name, one)
    for name in passed:
        assert found[name].outcome == "pixels", name
        assert found[name].grown_kb < MOST_DECODED_KB, name


LIMITS = STRUCTURE_LIMITS


def png_with(count: int, kind: bytes) -> bytes:
    return png_bytes.assembled(
        *(8, 8, png_bytes.chunk(b"IDAT", zlib.compress(bytes(72)))),
        before=png_bytes.chunk(kind, b"x\0\0" + zlib.compress(b"x")) * count,
    )


def flat_with(segments: bytes) -> bytes:
    return inserted(jpeg_bytes.in_one_scan(BASELINE, 8, 8, 1), segments)


def tables_of(length: int) -> bytes:
    """Tables so long together: those that ``flat_with`` has itself, and one more."""
    own = 67 + 11 + 2 * 20  # DQT, SOF and two DHT
    return flat_with(segment(0xDC, bytes(length - own - 2)))


# Name -> a picture with so many of them, the limit.
AT_LIMIT: dict[str, tuple[Callable[[int], bytes], int]] = {
    "chunks": (lambda count: png_with(count - 2, b"abCd"), LIMITS.png_chunks),
    "compressed texts": (lambda count: png_with(count, b"zTXt"), LIMITS.png_inflated_texts),
    "segments": (lambda count: flat_with(segment(0xFE) * (count - 5)), LIMITS.jpeg_segments),
    "segments of metadata": (
        lambda count: flat_with(segment(0xE1, b"Exif\0\0") * count),
        LIMITS.jpeg_metadata_segments,
    ),
    "bytes of tables": (tables_of, LIMITS.jpeg_table_bytes),
    "bytes between segments": (
        lambda count: flat_with(b"\xff" * count),
        LIMITS.jpeg_bytes_between,
    ),
}


@pytest.mark.parametrize("name", AT_LIMIT)
def test_limits_of_pieces_are_met_exactly(name: str) -> None:
    make, limit = AT_LIMIT[name]
    look(make(limit))
    with pytest.raises(UndecodablePicture, match=f"more than {limit:,} {name}"):
        look(make(limit + 1))


def test_scans_times_pixels_are_limited() -> None:
    most = DEFAULT_LIMITS.max_scanned_pixels // (600 * 500)
    assert decode(jpeg_bytes.refined(600, 500, most)).shape == (256, 256, 3)
    with pytest.raises(PictureTooLarge, match="600x500 in 2001 scans"):
        decode(jpeg_bytes.refined(600, 500, most + 1))


def test_scans_are_counted_to_the_end_and_no_further() -> None:
    picture = jpeg_bytes.refined(64, 64, 3)
    hidden = segment(0xFE, jpeg_bytes.END + b"\xff\xda") + segment(0xFE, b"\xff\xda" * 9)
    again = jpeg_bytes.scan(range(1, 2), 1, 63, 0x10, b"\xff\x00\x55\xff\xd0\x55")
    longer = picture.removesuffix(jpeg_bytes.END) + hidden + b"\xff\xff\xff" + again
    assert look(picture) == Structure(3, in_one_pass=False)
    assert look(longer + jpeg_bytes.END + picture) == Structure(4, in_one_pass=False)


def test_what_comes_in_one_pass() -> None:
    size = (64, 64)
    assert look(jpeg_bytes.in_one_scan(BASELINE, *size)).in_one_pass
    assert look(jpeg_bytes.in_one_scan(jpeg_bytes.ARITHMETIC, *size)).in_one_pass
    assert not look(jpeg_bytes.in_one_scan(PROGRESSIVE, *size)).in_one_pass
    assert not look(jpeg_bytes.lossless(*size)).in_one_pass
    assert look(jpeg_bytes.a_scan_a_component(*size)) == Structure(3, in_one_pass=False)


@pytest.mark.parametrize("name", SOURCES)
def test_a_look_never_fails(name: str) -> None:
    data = SOURCES[name]()
    for end in range(len(data)):
        look(data[:end])
