"""USearch: an HNSW graph in memory over bfloat16, written to a file when it is complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from usearch.index import Index

from benchmarks.searching.features import UNITS, Features, Keys, Values


class USearch:
    """With its defaults, a larger expansion apart."""

    distributions = ("usearch",)
    durable = "no: written as a whole when all are in"

    def __init__(self, folder: Path, features: Features) -> None:
        self._path = folder / "index.usearch"
        self._pictures = features.pictures
        self._index: Any = None
        self.settings: dict[str, Any] = {}

    def memory_bytes(self) -> int:
        """All features in bfloat16."""
        return self._pictures * UNITS * 2

    def create(self) -> None:
        """Connectivity 16, expansion 128 to add and to search: the default of 64 finds too few."""
        self._index = Index(ndim=UNITS, metric="l2sq", expansion_search=128)
        self._describe()

    def add(self, keys: Keys, features: Values) -> None:
        """On all cores."""
        self._index.add(keys, features)

    def finish(self) -> None:
        """Write the file and sync it."""
        self._index.save(self._path)
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())

    def open(self) -> None:
        """Read the whole file."""
        self._index = Index.restore(self._path)
        self._index.expansion_search = 128
        self._describe()

    def search(self, query: Values, k: int) -> list[int]:
        """On the caller's thread."""
        found: list[int] = self._index.search(query, k, threads=1).keys.tolist()
        return found

    def close(self) -> None:
        """Nothing is open."""
        self._index = None

    def _describe(self) -> None:
        self.settings = {
            "stored_as": str(self._index.dtype),
            "connectivity": self._index.connectivity,
            "expansion_add": self._index.expansion_add,
            "expansion_search": self._index.expansion_search,
        }
