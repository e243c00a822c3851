"""Damaged compressed networks with a true sha256: a network or an error of ours, soon and small."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.errors import CheckpointError
from tests.compressed_network import DIGEST_BYTES, narrow_file, sealed
from tests.faults.size import sized

COUNT = sized(400, 20_000)
HEAD = 16
# The largest tensor of the narrow network has 196,608 numbers; a file must not make more of itself.
MOST_BYTES, MOST_CPU_S = 48 * 2**20, 1.0
Bytes = np.ndarray  # uint8 [n]


def flipped(random: np.random.Generator, data: Bytes) -> Bytes:
    places = random.integers(0, len(data), random.integers(1, 9))
    data[places] ^= (1 << random.integers(0, 8, len(places))).astype(np.uint8)
    return data


def flipped_in_streams(random: np.random.Generator, data: Bytes) -> Bytes:
    begin = HEAD + struct.unpack_from("<I", data.tobytes(), 12)[0]
    data[begin:] = flipped(random, data[begin:])
    return data


def truncated(random: np.random.Generator, data: Bytes) -> Bytes:
    return data[: random.integers(0, len(data))]


def extended(random: np.random.Generator, data: Bytes) -> Bytes:
    more = random.integers(0, 256, random.integers(1, 64)).astype(np.uint8)
    return np.insert(data, random.integers(0, len(data)), more)


def replaced(random: np.random.Generator, data: Bytes) -> Bytes:
    begin = random.integers(0, len(data))
    data[begin : begin + 32] = random.integers(0, 256)
    return data


def renumbered(random: np.random.Generator, data: Bytes) -> Bytes:
    """Another number in the table of tensors; lengths often moved from one stream to the next."""
    content = data.tobytes()
    length = struct.unpack_from("<I", content, 12)[0]
    description = json.loads(content[HEAD : HEAD + length])
    row = description["tensors"][random.integers(len(description["tensors"]))]
    others = [0, 1, 255, 2**31, 2**63, 10**40, -1, 0.5, None, "1", True, [], {}]
    key = str(random.choice(["kept", "distances", "bytes"]))
    if key != "bytes":
        row[key] = others[random.integers(len(others))]
    elif random.random() < 0.7:
        moved = int(random.integers(0, 9))
        first, second = random.permutation(3)[:2]
        row["bytes"][first] -= moved
        row["bytes"][second] += moved
    else:
        row["bytes"] = others[random.integers(len(others))]
    text = json.dumps(description).encode()
    body = content[:12] + struct.pack("<I", len(text)) + text + content[HEAD + length :]
    return np.frombuffer(body, np.uint8)


WAYS: tuple[Callable[[np.random.Generator, Bytes], Bytes], ...] = (
    flipped,
    flipped_in_streams,
    truncated,
    extended,
    replaced,
    renumbered,
)


@pytest.mark.timeout(1200)
def test_mutants_give_a_network_or_an_error_of_ours(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    whole = np.frombuffer(narrow_file(load_checkpoint(narrow_checkpoint)[0])[0], np.uint8)
    outcomes: Counter[str] = Counter()
    place = tmp_path / "mutant.alexnet"
    tracemalloc.start()
    try:
        for number in range(COUNT):
            random = np.random.default_rng([11, number])
            way = WAYS[number % len(WAYS)]
            place.write_bytes(sealed(way(random, whole[:-DIGEST_BYTES].copy()).tobytes()))
            tracemalloc.reset_peak()
            began = time.thread_time()
            try:
                found, _ = load_checkpoint(place)
                outcomes["network"] += 1
                assert all(np.isfinite(tensor).all() for tensor in found.tensors.values())
            except CheckpointError:
                outcomes["refused"] += 1
            name = f"{number}, {way.__name__}"
            assert time.thread_time() - began < MOST_CPU_S, name
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES, name
    finally:
        tracemalloc.stop()
    assert outcomes.total() == COUNT
    assert min(outcomes["network"], outcomes["refused"]) > COUNT // 20, outcomes
