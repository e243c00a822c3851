"""What is asked of an engine, and which there are."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from benchmarks.searching.features import Features, Keys, Values

ENGINES = {
    "ours": "ours:Ours",
    "faiss-flat": "faiss_indexes:Flat",
    "faiss-hnsw": "faiss_indexes:Hnsw",
    "faiss-ivfpq": "faiss_indexes:IvfPq",
    "faiss-ivfpq-refined": "faiss_indexes:IvfPqRefined",
    "lancedb": "lancedb_table:LanceDb",
    "qdrant-edge": "qdrant_shard:QdrantEdge",
    "usearch": "usearch_index:USearch",
}


class Engine(Protocol):
    """An index of features by L2 in a folder of its own; a key is a picture's row number."""

    distributions: Sequence[str]  # whose versions are told
    durable: str  # what holds when ``add`` returns
    settings: dict[str, Any]

    def __init__(self, folder: Path, features: Features) -> None: ...

    def memory_bytes(self) -> int:
        """What it must hold in memory while it is built, 0 where that is little."""
        ...

    def create(self) -> None:
        """Begin an empty index; may learn from a sample of the features."""
        ...

    def add(self, keys: Keys, features: Values) -> None:
        """Add a batch: int64 [n], float32 [n, units]."""
        ...

    def finish(self) -> None:
        """What its documentation says is to be done after loading, and leave all on disk."""
        ...

    def open(self) -> None:
        """Open what ``finish`` left."""
        ...

    def search(self, query: Values, k: int) -> list[int]:
        """Keys of the ``k`` nearest to float32 [units]; called from many threads at once."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


def load_engine(name: str, folder: Path, features: Features) -> Engine:
    """The engine of that name.  Raises ImportError where it is not installed."""
    module, _, cls = ENGINES[name].partition(":")
    return cast(
        "Engine", getattr(import_module(f"benchmarks.searching.{module}"), cls)(folder, features)
    )
