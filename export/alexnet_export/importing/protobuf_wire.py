"""The wire format of protocol buffers, read from bytes that anyone may have written.

Encoding: https://protobuf.dev/programming-guides/encoding/.  Values of a known length are views of
the bytes given, so no length in a file reserves memory, and each is held against what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alexnet_export.errors import SourceError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10


@dataclass(frozen=True)
class Field:
    """One field of a message; ``value`` is a varint, or the bytes of every other kind."""

    number: int
    kind: int
    value: int | memoryview

    @property
    def integer(self) -> int:
        """A varint's value, unsigned; raises SourceError where the field is of another kind."""
        if not isinstance(self.value, int):
            raise SourceError(f"field {self.number} is of kind {self.kind}, not a varint")
        return self.value

    @property
    def content(self) -> memoryview:
        """A message, text or packed values; raises SourceError where it is none."""
        if isinstance(self.value, int) or self.kind != BYTES:
            raise SourceError(f"field {self.number} is of kind {self.kind}, not a message")
        return self.value

    @property
    def text(self) -> str:
        """A string, what is no UTF-8 in it replaced."""
        return bytes(self.content).decode("utf-8", "replace")


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message in their order; raises SourceError where it is damaged."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise SourceError("no protocol buffer: a field has number 0")
        if kind == VARINT:
            value, at = _varint(message, at)
            yield Field(number, kind, value)
            continue
        if kind == BYTES:
            length, at = _varint(message, at)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise SourceError(f"no protocol buffer: field {number} is of kind {kind}")
        if length > len(message) - at:
            raise SourceError(
                f"cut off or damaged: field {number} has {length:,} bytes and "
                f"{len(message) - at:,} are left"
            )
        yield Field(number, kind, message[at : at + length])
        at += length


def integers(found: list[Field]) -> list[int]:
    """A repeated integer, packed or not."""
    values: list[int] = []
    for field in found:
        if field.kind == VARINT:
            values.append(field.integer)
            continue
        content, at = field.content, 0
        while at < len(content):
            value, at = _varint(content, at)
            values.append(value)
    return values


def floats(found: list[Field], dtype: str) -> npt.NDArray[np.float32]:
    """A repeated number as float32 [n], packed or not; ``dtype`` is how it is stored, "<f4"."""
    width = np.dtype(dtype).itemsize
    parts = []
    for field in found:
        if isinstance(field.value, int) or len(field.value) % width:
            raise SourceError(f"field {field.number} does not hold numbers of {width} bytes")
        parts.append(field.value)
    whole = parts[0] if len(parts) == 1 else b"".join(parts)
    return np.frombuffer(whole, dtype).astype(np.float32)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A varint and where it ends."""
    value = 0
    for place, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise SourceError("cut off or damaged: a number has no end")
