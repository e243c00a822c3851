"""``*.alexnet``: a whole network in one small file, for NumPy and the standard library.

docs/compressed.md has the format to the byte.  A file is refused before anything is allocated for
what it says of itself: every size is bounded by the layer table, which is not taken from the file.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_export.dialects import DIALECTS
from alexnet_export.errors import CheckpointError
from alexnet_export.layers import Dialect, shapes
from alexnet_export.shared_values import SharedValues, Streams, coded, decoded

SUFFIX = ".alexnet"
_MAGIC = b"\x89AlexNet"
_FORMAT = 1
_HEAD = struct.Struct("<8sII")  # magic, format, bytes of the description
_DIGEST_BYTES = 32
_MAX_FILE_BYTES = 256 * 2**20
_MAX_DESCRIPTION_BYTES = 4 * 2**20
_MAX_WEIGHTS = 160_000_000  # the 2012 network with ImageNet's 21,841 classes has 148 million
_MEAN = "mean"
_MEAN_SHAPE = (256, 256, 3)
_TENSORS = "tensors"
_STREAMS = 3  # of a tensor

Tensor = npt.NDArray[np.float32]
Tensors = dict[str, Tensor]


def is_compressed(path: Path) -> bool:
    """Whether the file begins as these do; raises OSError."""
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def tensor_shapes(dialect: Dialect, classes: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint by name, in the order in which they stand in a file."""
    found: dict[str, tuple[int, ...]] = {}
    for shape in shapes(dialect, classes):
        found[f"{shape.name}.weight"] = shape.weight
        found[f"{shape.name}.bias"] = shape.weight[:1]
    return {**found, _MEAN: _MEAN_SHAPE}


def written(description: Mapping[str, Any], tensors: Mapping[str, SharedValues | Tensor]) -> bytes:
    """The bytes of a file: ``description`` as JSON, and ``tensors`` as they are or shared.

    ``description`` has ``dialect`` and ``classes``, as a checkpoint's.  The same input gives the
    same bytes.
    """
    table: list[dict[str, Any]] = []
    content: list[bytes] = []
    dialect = DIALECTS[description["dialect"]]
    for name in tensor_shapes(dialect, len(description["classes"])):
        tensor = tensors[name]
        if isinstance(tensor, SharedValues):
            streams = coded(tensor)
            parts = [streams.codebook, streams.coded_distances, streams.coded_indices]
            counts = {"kept": streams.kept, "distances": streams.distances}
        else:
            parts, counts = [tensor.astype("<f4").tobytes(), b"", b""], {"kept": 0, "distances": 0}
        table.append({**counts, "bytes": [len(part) for part in parts]})
        content += parts
    text = json.dumps({**description, _TENSORS: table}, sort_keys=True, separators=(",", ":"))
    said = text.encode()
    whole = b"".join([_HEAD.pack(_MAGIC, _FORMAT, len(said)), said, *content])
    return whole + hashlib.sha256(whole).digest()


def read(path: Path) -> tuple[dict[str, Any], Tensors]:
    """The description and the tensors, float32, of a file.  Raises CheckpointError and OSError."""
    size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise CheckpointError(f"{path} has {size:,} bytes, {_MAX_FILE_BYTES:,} are allowed")
    try:
        return _read(path.read_bytes())
    except CheckpointError as error:
        raise CheckpointError(f"{path} is not a whole compressed network: {error}") from error


def _read(content: bytes) -> tuple[dict[str, Any], Tensors]:
    description, streams = _description(content)
    dialect, classes = _network(description)
    expected = tensor_shapes(dialect, classes)
    if (count := sum(map(math.prod, expected.values()))) > _MAX_WEIGHTS:
        raise CheckpointError(f"{count:,} weights of {classes:,} classes, {_MAX_WEIGHTS:,} allowed")
    table = [_row(row) for row in _list(description.pop(_TENSORS, None), len(expected))]
    said = sum(itertools.chain.from_iterable(lengths for _, _, lengths in table))
    if said != len(streams):
        raise CheckpointError(f"its tensors have {said:,} bytes, {len(streams):,} are there")
    tensors: Tensors = {}
    start = 0
    for (name, shape), (kept, distances, lengths) in zip(expected.items(), table, strict=True):
        parts = []
        for length in lengths:
            parts.append(bytes(streams[start : start + length]))
            start += length
        try:
            tensors[name] = _tensor(shape, Streams(kept, distances, *parts))
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from error
    return description, tensors


def _description(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """What the file says of itself, and the bytes of its tensors."""
    if len(content) < _HEAD.size + _DIGEST_BYTES:
        raise CheckpointError(f"{len(content)} bytes are too few")
    magic, form, length = _HEAD.unpack_from(content)
    body, digest = memoryview(content)[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if magic != _MAGIC or form != _FORMAT:
        raise CheckpointError(f"it begins with {magic!r}, format {form}; this reads {_FORMAT}")
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError("its bytes do not have the sha256 at its end: it was damaged")
    stop = _HEAD.size + length
    if length > _MAX_DESCRIPTION_BYTES or stop > len(body):
        raise CheckpointError(f"its description is said to have {length:,} bytes")
    try:
        description = json.loads(bytes(body[_HEAD.size : stop]))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"its description is no JSON: {error}") from error
    if not isinstance(description, dict):
        raise CheckpointError("its description is no JSON object")
    return description, body[stop:]


def _network(description: Mapping[str, Any]) -> tuple[Dialect, int]:
    name, classes = description.get("dialect"), description.get("classes")
    if not isinstance(name, str) or name not in DIALECTS:
        raise CheckpointError(f"its dialect is {name!r}; there are {', '.join(DIALECTS)}")
    if not isinstance(classes, list) or not classes or not all(type(c) is str for c in classes):
        raise CheckpointError("it does not name its classes")
    return DIALECTS[name], len(classes)


def _list(found: Any, count: int) -> list[Any]:  # noqa: ANN401 (it is of a file)
    if not isinstance(found, list) or len(found) != count:
        raise CheckpointError(f"its table is not of {count} tensors")
    return found


def _row(row: Any) -> tuple[int, int, list[int]]:  # noqa: ANN401 (it is of a file)
    """``kept``, ``distances`` and the lengths of the three streams, none below 0."""
    if not isinstance(row, dict) or set(row) != {"kept", "distances", "bytes"}:
        raise CheckpointError(f"a tensor is described by {str(row)[:80]}")
    lengths = _list(row["bytes"], _STREAMS)
    numbers = [row["kept"], row["distances"], *lengths]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise CheckpointError(f"a tensor is described by {str(row)[:80]}")
    return numbers[0], numbers[1], numbers[2:]


def _tensor(shape: tuple[int, ...], streams: Streams) -> Tensor:
    if streams.kept:
        return decoded(shape, streams).dense()
    size = math.prod(shape)
    if len(streams.codebook) != 4 * size or streams.coded_distances or streams.coded_indices:
        raise CheckpointError(f"{len(streams.codebook):,} bytes for {size:,} numbers of float32")
    return np.frombuffer(streams.codebook, "<f4").astype(np.float32).reshape(shape)
