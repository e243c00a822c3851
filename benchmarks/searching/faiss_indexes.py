"""FAISS's own indexes of floats: in memory, written to a file when they are complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.searching.features import UNITS, Features, Keys, Values

_CORES = len(os.sched_getaffinity(0))
_REFINED = 20
_POINTS = 64  # that a centre of the product quantizer is learnt on


class _InMemory:
    """One index; its row numbers are the keys, which come in order."""

    distributions = ("faiss-cpu",)
    durable = "no: written as a whole when all are in"

    def __init__(self, folder: Path, features: Features) -> None:
        self._path = str(folder / "index.faiss")
        self._features = features
        self._index: Any = None
        self.settings: dict[str, Any] = {}

    def memory_bytes(self) -> int:
        """All features, as they are."""
        return self._features.pictures * UNITS * 4

    def add(self, keys: Keys, features: Values) -> None:
        """On all cores."""
        assert len(keys) == len(features)
        self._index.add(features)

    def finish(self) -> None:
        """Write the file and sync it."""
        faiss.write_index(self._index, self._path)
        with open(self._path, "rb+") as file:  # noqa: PTH123 (FAISS wants the text of the path)
            os.fsync(file.fileno())

    def open(self) -> None:
        """Read the whole file."""
        self._index = faiss.read_index(self._path)

    def search(self, query: Values, k: int) -> list[int]:
        """On the caller's thread: two threads a query are slower here than one."""
        faiss.omp_set_num_threads(1)  # is each thread's own
        found: list[int] = self._index.search(query[np.newaxis], k)[1][0].tolist()
        return found

    def close(self) -> None:
        """Nothing is open."""
        self._index = None


class Flat(_InMemory):
    """Every distance, in float32."""

    def create(self) -> None:
        """IndexFlatL2."""
        self._index = faiss.IndexFlatL2(UNITS)


class Hnsw(_InMemory):
    """A graph over the features, which it holds as they are."""

    def create(self) -> None:
        """As FAISS's guide to choosing an index has it, with more efSearch than its default."""
        self._index = faiss.IndexHNSWFlat(UNITS, 32)
        self._index.hnsw.efConstruction = 200
        self._index.hnsw.efSearch = 128
        self.settings = {"M": 32, "efConstruction": 200, "efSearch": 128}


class IvfPq(_InMemory):
    """Lists by nearest centre, product-quantized residuals; no features are kept to re-rank by.

    Without the rotation (OPQ) its guide puts before: that learns the quantizer fifty times.
    """

    def memory_bytes(self) -> int:
        """What it learns on, twice: the features and their residuals."""
        return 2 * self._trained_on() * UNITS * 4

    def create(self) -> None:
        """4 sqrt(n) lists, a sixteenth of which are searched; a byte for 32 dimensions."""
        lists = int(4 * np.sqrt(self._features.pictures))
        nprobe, code_bytes = max(16, lists // 16), UNITS // 32
        self._index = faiss.IndexIVFPQ(faiss.IndexFlatL2(UNITS), UNITS, lists, code_bytes, 8)
        self._index.nprobe = nprobe
        # What a small index has is enough to try it: without a line a subquantizer on stderr.
        self._index.cp.min_points_per_centroid = 1
        self._index.pq.cp.min_points_per_centroid = 1
        self._index.pq.cp.max_points_per_centroid = _POINTS  # of 256: minutes instead of an hour
        faiss.omp_set_num_threads(_CORES)
        self._index.train(self._features.sample(self._trained_on()))
        self.settings = {
            "lists": lists,
            "nprobe": nprobe,
            "code_bytes": code_bytes,
            "trained_on": self._trained_on(),
        }

    def _trained_on(self) -> int:
        return min(self._features.pictures, 65_536)


class IvfPqRefined(IvfPq):
    """The same, and all features in memory, by which the best are compared exactly."""

    def memory_bytes(self) -> int:
        """What it learns on, then the features."""
        return max(super().memory_bytes(), self._features.pictures * UNITS * 4)

    def create(self) -> None:
        """As many are compared exactly as ours compares."""
        super().create()
        self._index = faiss.IndexRefineFlat(self._index)
        self._index.k_factor = _REFINED
        self.settings["k_factor"] = _REFINED
