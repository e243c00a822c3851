"""The nearest codes by Hamming distance, on all cores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from alexnet_server.index.blocks import Block, Codes, Keys, heads_of, places
from alexnet_server.index.cores import Cores

# So many times as many as are wanted go on from the comparison of heads to that of whole codes.
HEADS = 8
Distances = npt.NDArray[np.int32]
Rows = npt.NDArray[np.intp]
Found = tuple[Keys, Distances]
T = TypeVar("T")
R = TypeVar("R")
_NOTHING: Found = (np.empty(0, np.int64), np.empty(0, np.int32))


class Scan:
    """Threads that compare codes with FAISS, each a part of the blocks, as ``cores`` lets them.

    FAISS itself splits one query over no threads: its loop runs over queries.  It computes all
    distances, and those up to the r-th are taken here: its heaps took longer than the distances.
    """

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self.threads = cores.count
        self._pool = ThreadPoolExecutor(self.threads, "scan", initializer=_use_one_thread)

    def nearest(
        self, blocks: Sequence[Block], query: Codes, r: int, passing: Keys | None = None
    ) -> Found:
        """The keys of the ``r`` codes nearest to ``query``, ascending, and their distances.

        ``query`` uint8 [code_bytes]; ``passing`` int64, ascending, are the keys that may be found,
        None for all.  Returns int64 [<= r] and int32 [<= r]; of equally near ones at the limit
        any may be left out.  Of codes with shorter heads, those found are the nearest among the
        ``HEADS * r`` whose heads are.
        """
        parts = [blocks[first :: self.threads] for first in range(self.threads)]
        found = self.each(lambda part: _part(part, query[np.newaxis], r, passing), parts)
        keys, distances = _joined(found)
        if len(keys) > r:
            best = np.argpartition(distances, r - 1)[:r]
            keys, distances = keys[best], distances[best]
        order = np.argsort(keys)
        return keys[order], distances[order]

    def each(self, work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
        """What ``work`` makes of each of ``parts``, on these threads; raises what it raises."""

        def one(part: T) -> R:
            with self._cores.one():
                return work(part)

        return list(self._pool.map(one, parts))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def _part(blocks: Sequence[Block], query: Codes, r: int, passing: Keys | None) -> Found:
    """At least the ``r`` nearest to ``query`` uint8 [1, code_bytes]."""
    if not blocks:
        return _NOTHING
    head = heads_of(query)
    is_whole = head.shape == query.shape
    asked = [None if passing is None else places(block.keys, passing) for block in blocks]
    by_head, ends = _by_head(blocks, head, asked)  # int32 [n], [blocks]
    near = np.flatnonzero(
        by_head <= _limit(by_head, 8 * head.shape[1], r if is_whole else HEADS * r)
    )
    keys, codes = [], []
    for block, rows, start, end in zip(blocks, asked, [0, *ends], ends, strict=False):
        first, last = np.searchsorted(near, (start, end))
        at = near[first:last] - start
        at = at if rows is None else rows[at]
        keys.append(block.keys[at])
        codes.append(block.codes[at])
    found = np.concatenate(codes)
    return np.concatenate(keys), by_head[near] if is_whole else _distances(query, found)


def _by_head(
    blocks: Sequence[Block], head: Codes, asked: Sequence[Rows | None]
) -> tuple[Distances, Sequence[int]]:
    """Distances of all rows asked for, block after block in one array, and where each block ends.

    One array, because what is done with it then is done once: of a million pictures in 31 blocks,
    two threads that went through each block apart took turns at Python's lock and gained nothing.
    """
    counts = [
        len(block.keys) if rows is None else len(rows)
        for block, rows in zip(blocks, asked, strict=True)
    ]
    ends = list(itertools.accumulate(counts))
    distances = np.empty(ends[-1], np.int32)
    for block, rows, count, end in zip(blocks, asked, counts, ends, strict=True):
        heads = block.heads if rows is None else block.heads[rows]
        _distances(head, heads, distances[end - count : end])
    return distances, ends


def _limit(distances: Distances, bits: int, r: int) -> int:
    """The ``r``-th smallest of ``distances`` up to ``bits``, or that where there are fewer."""
    counts = np.bincount(distances, minlength=bits + 1)
    return int(np.searchsorted(np.cumsum(counts), r))


def _distances(query: Codes, codes: Codes, into: Distances | None = None) -> Distances:
    """``query`` uint8 [1, b] to each of ``codes`` uint8 [n, b], without gaps: int32 [n]."""
    # Imported here: a third of a second, which a small index never needs; and by name, because
    # FAISS's stubs leave this function out.
    faiss = import_module("faiss")
    distances = np.empty(len(codes), np.int32) if into is None else into
    pointers = (faiss.swig_ptr(each) for each in (query, codes))
    faiss.hammings(*pointers, 1, *codes.shape, faiss.swig_ptr(distances))
    return distances


def _use_one_thread() -> None:
    """FAISS's setting is a thread's own; without it each would start a team for its one query."""
    import faiss  # noqa: PLC0415

    faiss.omp_set_num_threads(1)


def _joined(found: Sequence[Found]) -> Found:
    if not found:
        return _NOTHING
    return np.concatenate([keys for keys, _ in found]), np.concatenate(
        [distances for _, distances in found]
    )
