"""Messages as the encoding's own documentation has them, and hostile ones."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest

from alexnet_export.errors import SourceError
from alexnet_export.importing.blob import blob
from alexnet_export.importing.caffemodel import read_caffemodel
from alexnet_export.importing.protobuf_wire import fields, floats, integers


def test_the_documented_examples() -> None:
    # protobuf.dev/programming-guides/encoding: a = 150; b = "testing"; f = [3, 270, 86942], packed.
    number, text = fields(memoryview(bytes.fromhex("089601120774657374696e67")))
    assert (number.number, number.integer) == (1, 150)
    assert (text.number, text.text) == (2, "testing")
    packed = list(fields(memoryview(bytes.fromhex("3206038e029ea705"))))
    assert packed[0].number == 6
    assert integers(packed) == [3, 270, 86942]
    assert integers(list(fields(memoryview(bytes.fromhex("3003308e02309ea705"))))) == [
        3,
        270,
        86942,
    ]


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_numbers_packed_or_one_by_one(dtype: str) -> None:
    kind, values = {"<f4": (5, "f"), "<f8": (1, "d")}[dtype], [1.5, -2.25, 1e-3]
    one_by_one = b"".join(bytes([5 << 3 | kind[0]]) + struct.pack("<" + kind[1], v) for v in values)
    stored = struct.pack(f"<3{kind[1]}", *values)
    packed = bytes([5 << 3 | 2, len(stored)]) + stored
    for message in (one_by_one, packed):
        found = floats(list(fields(memoryview(message))), dtype)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array(values, np.float32))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("0a05616263", "field 1 has 5 bytes and 3 are left"),
        ("0affffffffffffffffff01", "field 1 has 18,446,744,073,709,551,615 bytes and 0 are left"),
        ("0a80808080f00f", "field 1 has 545,460,846,592 bytes and 0 are left"),
        ("0d0000", "field 1 has 4 bytes and 2 are left"),
        ("08ffffffffffffffffffff01", "a number has no end"),
        ("0880", "a number has no end"),
        ("0201", "a field has number 0"),
        ("0b", "of kind 3"),
    ],
)
def test_hostile_lengths_are_refused(message: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        list(fields(memoryview(bytes.fromhex(message))))


def test_no_length_in_a_file_reserves_memory() -> None:
    # A layer whose blob claims 2**40 numbers by its shape, and another by the length of its data.
    by_shape = message(7, message(1, varint(2**20) * 2)) + message(5, b"\0" * 4)
    by_length = bytes([5 << 3 | 2]) + varint(2**40) + b"\0" * 4
    tracemalloc.start()
    for content, reason in ((by_shape, "has 1 numbers"), (by_length, "1,099,511,627,776 bytes")):
        with pytest.raises(SourceError, match=reason):
            blob(memoryview(content))
        layer = message(1, b"c") + message(2, b"Convolution") + message(7, content) * 2
        layer += message(3, b"data") + message(4, b"c") + message(106, bytes([4 << 3, 11]))
        with pytest.raises(SourceError, match=reason):
            read_caffemodel(message(100, layer))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2**20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no numbers"),
        (bytes([1 << 3, 0]) + b"\x2a\x04\0\0\0\0", r"shape \[0, 0, 0, 0\]"),
        (b"\x3a\x0b\x0a\x09" + b"\x81" * 8 + b"\x01" + b"\x2a\x04\0\0\0\0", "shape"),
        (b"\x3a\x03\x0a\x01\x01" + b"\x2a\x03\0\0\0", "numbers of 4 bytes"),
        (b"\x3a\x04\x0a\x02\x00\x7f" + b"\x2a\x00", r"shape \[0, 127\]"),
        (b"\x3a\x66\x0a\x64" + b"\x01" * 100 + b"\x2a\x04\0\0\0\0", r"shape \[1, 1"),
        (b"\x38\x01" + b"\x2a\x04\0\0\0\0", "field 7 is of kind 0, not a message"),
    ],
)
def test_a_blob_that_is_none_is_refused(content: bytes, reason: str) -> None:
    if content == b"":
        content = message(7, message(1, b"\x01"))
    with pytest.raises(SourceError, match=reason):
        blob(memoryview(content))


def test_pooling_that_rounds_down_is_refused() -> None:
    one = message(7, message(1, b"\x01")) + message(5, b"\0" * 4)
    layers = [
        layer("Convolution", message(106, b"\x20\x0b\x30\x04") + message(7, one) * 2),
        layer("ReLU", b""),
        layer("LRN", message(118, b"\x15" + struct.pack("<f", 1e-4))),
    ]
    for rounding, reason in ((b"\x68\x01", "rounds down"), (b"", "it ends before conv2")):
        pool = layer("Pooling", message(121, b"\x10\x03\x18\x02" + rounding))
        with pytest.raises(SourceError, match=reason):
            read_caffemodel(b"".join([*layers, pool]))


def layer(kind: str, content: bytes) -> bytes:
    """A LayerParameter that reads and gives one blob, in place."""
    text = message(1, b"l") + message(2, kind.encode()) + message(3, b"d") + message(4, b"d")
    return message(100, text + content)


def varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content
