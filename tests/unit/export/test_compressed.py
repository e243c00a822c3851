"""Compressed files: what is written is read, to the byte, and what is no such file is refused."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_export.checkpoint import Checkpoint, compressed_bytes, load_checkpoint
from alexnet_export.errors import CheckpointError
from alexnet_export.shared_values import SharedValues, Streams, coded, decoded
from tests.compressed_network import DIGEST_BYTES, narrow_file, sealed, some_shared

HEAD = 16


@pytest.fixture
def checkpoint(narrow_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(narrow_checkpoint)[0]


@pytest.fixture
def content(checkpoint: Checkpoint) -> bytes:
    return narrow_file(checkpoint)[0]


@pytest.mark.parametrize("density", [1.0, 0.5, 0.004, 0.0005])
@pytest.mark.parametrize("count", [1, 16, 256])
def test_what_is_coded_is_decoded(density: float, count: int) -> None:
    given = some_shared((7, 3, 5, 100), density, count)
    found = decoded(given.shape, coded(given))
    np.testing.assert_array_equal(found.dense(), given.dense())
    assert found.dense().dtype == np.float32
    assert np.count_nonzero(found.dense()) == len(given.indices)


def test_distances_of_every_length() -> None:
    places = np.cumsum([1, 1, 254, 255, 256, 257, 510, 511, 512, 1000])
    indices = np.zeros(len(places), np.uint8)
    given = SharedValues((4, 1000), np.ones(1, np.float32), indices, places)
    found = decoded(given.shape, coded(given))
    assert found.places is not None
    np.testing.assert_array_equal(found.places, places)


def test_huffman_codes_are_near_the_entropy() -> None:
    given = some_shared((1000, 1000), 0.05, 16)
    streams = coded(given)
    kept = len(given.indices)
    bits = 8 * len(streams.coded_distances) / kept
    entropy = (-0.05 * np.log2(0.05) - 0.95 * np.log2(0.95)) / 0.05  # of a place's distance
    assert entropy * 0.99 < bits < entropy * 1.02
    assert 8 * len(streams.coded_indices) / kept < 4 * 1.02  # sixteen values, all alike


def test_a_file_gives_its_network(checkpoint: Checkpoint, tmp_path: Path) -> None:
    content, shared = narrow_file(checkpoint)
    place = tmp_path / "network.alexnet"
    place.write_bytes(content)
    found, digest = load_checkpoint(place)
    assert digest == hashlib.sha256(content).hexdigest()
    wanted = {**checkpoint.tensors, **{name: one.dense() for name, one in shared.items()}}
    assert found.tensors.keys() == wanted.keys()
    for name, tensor in wanted.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
    assert (found.classes, found.scale, found.about) == (
        checkpoint.classes,
        checkpoint.scale,
        checkpoint.about,
    )
    assert found.compression is not None
    assert found.compression.metrics == {"top1": 0.5, "top5": 1.0, "n": 12}
    assert found.compression.calibration.ranges == {"conv1_sums": (-1.5, 2.25)}
    assert compressed_bytes(found, shared) == content  # the same again, to the byte


def test_the_format_is_that_of_the_document(checkpoint: Checkpoint, content: bytes) -> None:
    """docs/compressed.md, followed by hand for a tensor of each kind."""
    magic, form, length = struct.unpack_from("<8sII", content)
    assert (magic, form) == (b"\x89AlexNet", 1)
    description = json.loads(content[HEAD : HEAD + length])
    assert content[-32:] == hashlib.sha256(content[:-32]).digest()
    names = [f"{layer}.{kind}" for layer in checkpoint.dialect.layer_names for kind in _KINDS]
    start, found = HEAD + length, {}
    for name, row in zip([*names, "mean"], description["tensors"], strict=True):
        parts = []
        for count in row["bytes"]:
            parts.append(content[start : start + count])
            start += count
        found[name] = (row, parts)
    assert start == len(content) - DIGEST_BYTES
    row, (whole, *nothing) = found["fc8.bias"]
    assert (row["kept"], row["distances"], nothing) == (0, 0, [b"", b""])
    np.testing.assert_array_equal(np.frombuffer(whole, "<f4"), checkpoint.tensors["fc8.bias"])
    row, parts = found["fc6.weight"]
    codebook = np.frombuffer(parts[0], "<f4")
    distances, indices = (zlib.decompress(part, -15) for part in parts[1:])
    assert (len(distances), len(indices)) == (row["distances"], row["kept"])
    flat = np.zeros(checkpoint.tensors["fc6.weight"].size, np.float32)
    place, left = -1, iter(indices)
    for distance in distances:
        place += 255 if distance == 255 else distance + 1
        if distance != 255:
            flat[place] = codebook[next(left)]
    shared = narrow_file(checkpoint)[1]
    np.testing.assert_array_equal(flat, shared["fc6.weight"].dense().ravel())


_KINDS = ("weight", "bias")


def test_a_flipped_bit_is_found(content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "network.alexnet"
    for at in (9, 40, len(content) // 2, len(content) - 1):
        broken = bytearray(content)
        broken[at] ^= 1
        place.write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"sha256 at its end|format"):
            load_checkpoint(place)


def changed(content: bytes, tensor: int, **fields: Any) -> bytes:
    """The file with other fields of a tensor's row, and a true sha256."""
    length = struct.unpack_from("<I", content, 12)[0]
    description = json.loads(content[HEAD : HEAD + length])
    description["tensors"][tensor] |= fields
    return described(content, description)


def described(content: bytes, description: Any) -> bytes:
    """The file with another description, and a true sha256."""
    length = struct.unpack_from("<I", content, 12)[0]
    text = json.dumps(description).encode()
    head = content[:12] + struct.pack("<I", len(text)) + text
    return sealed(head + content[HEAD + length : -DIGEST_BYTES])


FC6, MEAN = 10, -1


@pytest.mark.parametrize(
    ("tensor", "fields", "message"),
    [
        (FC6, {"kept": 10**12}, "1 to that many are meant"),
        (FC6, {"kept": -1}, "described by"),
        (FC6, {"kept": True}, "described by"),
        (FC6, {"kept": 1.0}, "described by"),
        (FC6, {"distances": 10**12}, "reach every place"),
        (FC6, {"distances": 0}, "nothing says which"),
        (FC6, {"distances": 1}, "does not hold the"),
        (FC6, {"bytes": [64, 10**9, 0]}, "its tensors have"),
        (FC6, {"bytes": [64, 1]}, "table is not of 3"),
        (FC6, {"more": 1}, "described by"),
        (MEAN, {"kept": 5}, "does not hold the 5"),
        (MEAN, {"kept": 256 * 256 * 3 + 1}, "1 to that many are meant"),
        (1, {"kept": 4}, "does not hold the 4"),  # conv1.bias, which is whole
    ],
)
def test_a_table_that_lies_is_refused(
    content: bytes, tmp_path: Path, tensor: int, fields: dict[str, Any], message: str
) -> None:
    place = tmp_path / "network.alexnet"
    place.write_bytes(changed(content, tensor, **fields))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(place)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ([], "no JSON object"),
        ({}, "dialect is None"),
        ({"dialect": "narrow"}, "does not name its classes"),
        ({"dialect": "narrow", "classes": [1, 2]}, "does not name its classes"),
        ({"dialect": ["narrow"], "classes": ["a"]}, "its dialect is"),
        ({"dialect": "narrow", "classes": ["a", "b"]}, "table is not of 17"),
        ({"dialect": "alexnet2012", "classes": ["a"] * 100_000}, "weights of 100,000 classes"),
    ],
)
def test_a_description_that_is_none(
    content: bytes, tmp_path: Path, description: Any, message: str
) -> None:
    place = tmp_path / "network.alexnet"
    place.write_bytes(described(content, description))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(place)


def test_other_bytes_at_the_beginning(content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "network.alexnet"
    length = struct.unpack_from("<I", content, 12)[0]
    deep = b"[" * 100_000
    for body, message in (
        (content[:HEAD], "are too few"),
        (content[:8] + b"\2" + content[9:-DIGEST_BYTES], "format 2; this reads 1"),
        (content[:12] + b"\xff\xff\xff\xff" + content[HEAD:-DIGEST_BYTES], "said to have 4,294"),
        (content[:HEAD] + b"{" * length + content[HEAD + length : -DIGEST_BYTES], "no JSON"),
        (content[:12] + struct.pack("<I", len(deep)) + deep, "no JSON"),
    ):
        place.write_bytes(body if message == "are too few" else sealed(body))
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(place)


def test_a_stream_that_unpacks_to_more() -> None:
    """64 MiB of zeros in 64 KiB, for four places: they are not unpacked."""
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = coder.compress(bytes(2**26)) + coder.flush()
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="does not hold the 4"):
            decoded((4,), Streams(4, 0, np.ones(1, "<f4").tobytes(), b"", bomb))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_stream_that_does_not_end_with_its_bytes() -> None:
    given = coded(some_shared((100,), 1.0, 16))
    more = replace(given, coded_indices=given.coded_indices + b"\0")
    flushed = zlib.compressobj(9, zlib.DEFLATED, -15)
    open_end = flushed.compress(bytes(100)) + flushed.flush(zlib.Z_SYNC_FLUSH)
    for streams in (more, replace(given, coded_indices=open_end)):
        with pytest.raises(CheckpointError, match="does not hold the 100"):
            decoded((100,), streams)


def test_a_file_too_large_is_not_read(content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "network.alexnet"
    with place.open("wb") as stream:
        stream.write(content)
        stream.truncate(256 * 2**20 + 1)
    with pytest.raises(CheckpointError, match="268,435,456 are allowed"):
        load_checkpoint(place)


@pytest.mark.parametrize("ends", [[0.0, 1e999], [None, 1.0], [0.0], "ab", [1.0, "x"]])
def test_ranges_that_are_none(content: bytes, tmp_path: Path, ends: object) -> None:
    length = struct.unpack_from("<I", content, 12)[0]
    description = json.loads(content[HEAD : HEAD + length])
    description["int8"]["calibration"]["ranges"]["conv1_sums"] = ends
    place = tmp_path / "network.alexnet"
    place.write_bytes(described(content, description))
    with pytest.raises(CheckpointError, match="does not describe"):
        load_checkpoint(place)


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ({"codebook": b""}, "0 shared values"),
        ({"codebook": b"abc"}, "3 bytes"),
        ({"codebook": bytes(4 * 257)}, "257 shared values"),
        ({"codebook": np.array([np.nan], "<f4").tobytes()}, "not finite"),
        ({"codebook": bytes(4)}, "there are 1"),
        ({"coded_distances": b"\xff\xff"}, "cannot be read"),
        ({"kept": 2}, "does not hold the 2"),
    ],
)
def test_streams_that_lie(streams: dict[str, Any], message: str) -> None:
    values = np.array([1, 2], np.float32)
    given = coded(SharedValues((9,), values, np.array([0, 1, 1], np.uint8), np.array([2, 4, 8])))
    with pytest.raises(CheckpointError, match=message):
        decoded((9,), replace(given, **streams))
    with pytest.raises(CheckpointError, match="the last"):
        decoded((8,), given)


def test_it_is_read_by_numpy_and_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); from alexnet_export import compressed\n"
        "found = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "others = found - set(sys.stdlib_module_names)\n"
        "assert others == {'numpy', 'alexnet_export'}, others"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
