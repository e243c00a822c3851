"""Caffe's BlobProto: an array of numbers with its shape (caffe.proto)."""

from __future__ import annotations

import math

from alexnet_export.checkpoint import Tensor
from alexnet_export.errors import SourceError
from alexnet_export.importing.protobuf_wire import Field, fields, floats, integers

# Field numbers of caffe.proto.
_NUM_TO_WIDTH = (1, 2, 3, 4)
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
_DIM = 1
_MAX_AXES = 32  # Caffe's kMaxBlobAxes
_MAX_NUMBERS = 2**28  # seven times fc6's


def blob(message: memoryview) -> Tensor:
    """The array, float32; its shape is the one given, four numbers in old files.

    Raises SourceError where the message is damaged or the numbers are not as many as the shape
    says.
    """
    found: dict[int, list[Field]] = {}
    for field in fields(message):
        found.setdefault(field.number, []).append(field)
    shape = _shape(found)
    stored, dtype = found.get(_DATA), "<f4"
    if stored is None:
        stored, dtype = found.get(_DOUBLE_DATA, []), "<f8"
    if not stored:
        raise SourceError("a blob has no numbers")
    numbers = floats(stored, dtype)
    if len(numbers) != math.prod(shape):
        raise SourceError(f"a blob of shape {list(shape)} has {len(numbers):,} numbers")
    return numbers.reshape(shape)


def _shape(found: dict[int, list[Field]]) -> tuple[int, ...]:
    if _SHAPE in found:
        dims = [one for one in fields(found[_SHAPE][-1].content) if one.number == _DIM]
        shape = tuple(integers(dims))
    else:
        shape = tuple(found[each][-1].integer if each in found else 0 for each in _NUM_TO_WIDTH)
    if len(shape) > _MAX_AXES or not all(1 <= side <= _MAX_NUMBERS for side in shape):
        raise SourceError(f"a blob has the shape {list(shape)[:_MAX_AXES]}")
    return shape
