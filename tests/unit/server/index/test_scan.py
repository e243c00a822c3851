"""The scan against NumPy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import alexnet_server.index
from alexnet_server.index.blocks import HEAD_BYTES, Blocks
from alexnet_server.index.cores import Cores
from alexnet_server.index.scan import Scan

CODE_BYTES = 16


@pytest.fixture(scope="module")
def scan() -> Iterator[Scan]:
    opened = Scan(Cores(2))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (1_000, CODE_BYTES), dtype=np.uint8)


def hamming(codes: np.ndarray, query: np.ndarray) -> np.ndarray:
    return np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.int32)


@pytest.mark.parametrize("r", [1, 50, 999, 1_000, 5_000])
@pytest.mark.parametrize("part", [1.0, 0.6, 0.01, 0.0])
def test_scan_equals_numpy(scan: Scan, codes: np.ndarray, r: int, part: float) -> None:
    random = np.random.default_rng(4)
    keys = np.cumsum(random.integers(1, 5, len(codes)))
    blocks = Blocks(CODE_BYTES, rows=300)
    blocks.append(keys, codes)
    passes = random.random(len(keys)) < part
    passing = None if part == 1 else np.union1d(keys[passes], [keys[-1] + 7])
    query = random.integers(0, 256, CODE_BYTES, dtype=np.uint8)
    with blocks.reading() as read:
        found, distances = scan.nearest(read, query, r, passing)
    allowed = np.ones(len(keys), bool) if passing is None else passes
    expected = hamming(codes, query)
    np.testing.assert_array_equal(
        np.sort(distances), np.sort(expected[allowed])[:r].astype(np.int32)
    )
    rows = np.searchsorted(keys, found)
    np.testing.assert_array_equal(expected[rows], distances)  # each beside its own key
    assert allowed[rows].all()
    assert (np.diff(found) > 0).all()


def test_codes_are_found_by_their_heads_and_ranked_by_all_of_them(scan: Scan) -> None:
    random = np.random.default_rng(6)
    codes = random.integers(0, 256, (3_000, 512), dtype=np.uint8)
    query = codes[1_234].copy()
    # Ten that are near: ever more of the bits, everywhere in the code, are others.
    near = random.choice(3_000, 10, replace=False)
    for number, row in enumerate(near):
        bits = np.unpackbits(query)
        bits[random.choice(4_096, 40 * (number + 1), replace=False)] ^= 1
        codes[row] = np.packbits(bits)
    blocks = Blocks(512, rows=700)
    blocks.append(np.arange(1, 3_001), codes)
    with blocks.reading() as read:
        assert read[0].heads.shape == (700, HEAD_BYTES)
        found, distances = scan.nearest(read, query, 10)
    expected = hamming(codes, query)
    assert set(found) == set(1 + np.argsort(expected, kind="stable")[:10])
    np.testing.assert_array_equal(expected[found - 1], distances)


def test_scan_of_nothing(scan: Scan) -> None:
    keys, distances = scan.nearest([], np.zeros(CODE_BYTES, np.uint8), 10)
    assert len(keys) == len(distances) == 0


def test_no_index_file_of_faiss_is_ever_read_or_written() -> None:
    """A file that is not SQLite's has no checks, and reading a garbled one may crash."""
    folder = Path(alexnet_server.index.__file__).parent
    for path in folder.rglob("*.py"):
        names = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute | ast.Name)
        }
        assert not names & {"read_index", "write_index", "deserialize_index"}, path
