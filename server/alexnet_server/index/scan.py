"""The nearest codes by Hamming distance, on all cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from alexnet_server.index.blocks import Block, Codes, Keys, places

Found = tuple[Keys, npt.NDArray[np.int32]]
_NOTHING: Found = (np.empty(0, np.int64), np.empty(0, np.int32))


class Scan:
    """Threads that compare codes with FAISS, each a part of the blocks.

    FAISS itself splits one query over no threads: its loop runs over queries.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._threads, "scan", initializer=_use_one_thread)

    def nearest(
        self, blocks: Sequence[Block], query: Codes, r: int, passing: Keys | None = None
    ) -> Found:
        """The keys of the ``r`` codes nearest to ``query``, ascending, and their distances.

        ``query`` uint8 [code_bytes]; ``passing`` int64, ascending, are the keys that may be found,
        None for all.  Returns int64 [<= r] and int32 [<= r]; of equally near ones at the limit
        any may be left out.
        """
        parts = [blocks[first :: self._threads] for first in range(self._threads)]
        done = [
            self._pool.submit(self._part, part, query[np.newaxis], r, passing)
            for part in parts
            if part
        ]
        keys, distances = _joined([one.result() for one in done])
        if len(keys) > r:
            best = np.argpartition(distances, r - 1)[:r]
            keys, distances = keys[best], distances[best]
        order = np.argsort(keys)
        return keys[order], distances[order]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _part(self, blocks: Sequence[Block], query: Codes, r: int, passing: Keys | None) -> Found:
        return _joined([self._block(block, query, r, passing) for block in blocks])

    def _block(self, block: Block, query: Codes, r: int, passing: Keys | None) -> Found:
        keys, codes = block
        if passing is not None:
            rows = places(keys, passing)
            keys, codes = keys[rows], codes[rows]
        if not len(keys):
            return _NOTHING
        import faiss  # noqa: PLC0415 - a third of a second, which a small index never needs

        # query [1, code_bytes], codes [n, code_bytes]; FAISS wants both without gaps.
        distances, rows = faiss.knn_hamming(query, codes, min(r, len(keys)))
        return keys[rows[0]], distances[0]


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
