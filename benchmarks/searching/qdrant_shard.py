"""Qdrant Edge: a shard on disk, a graph over codes of two bits, re-ranking by the features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qdrant_edge as edge

from benchmarks.searching.features import UNITS, Features, Keys, Values

_EF = 128
_OVERSAMPLING = 4.0


class QdrantEdge:
    """HNSW over binary codes in memory, features on disk.

    Two bits a dimension: of features most of which are 0 its guide warns against one, and one
    finds 0.7 of what two do here.
    """

    distributions = ("qdrant-edge-py",)
    durable = "synced, each batch (flush)"

    def __init__(self, folder: Path, features: Features) -> None:
        self._folder = str(folder / "shard")
        self._pictures = features.pictures
        self._shard: Any = None
        self.settings: dict[str, Any] = {
            "hnsw": {"m": 16, "ef_construct": 100, "ef": _EF},
            "codes": "binary, two bits a dimension, in memory",
            "oversampling": _OVERSAMPLING,
            "rescore": True,
        }

    def memory_bytes(self) -> int:
        """The codes."""
        return self._pictures * UNITS // 4

    def create(self) -> None:
        """An empty shard."""
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=UNITS, distance=edge.Distance.Euclid, memory=edge.Memory.Cold
            ),
            hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
            quantization_config=edge.BinaryQuantizationConfig(
                encoding=edge.BinaryQuantizationEncoding.TwoBits, memory=edge.Memory.Pinned
            ),
        )
        self._shard = edge.EdgeShard.create(self._folder, config)

    def add(self, keys: Keys, features: Values) -> None:
        """One update, then ``flush``: without it nothing is synced."""
        points = [
            edge.Point(key, values.tolist(), {})
            for key, values in zip(keys.tolist(), features, strict=True)
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))
        self._shard.flush()

    def finish(self) -> None:
        """Make the graph and the codes, which it does only when it is told to."""
        self._shard.optimize()
        self._shard.flush()

    def open(self) -> None:
        """Load the shard."""
        self._shard = edge.EdgeShard.load(self._folder)

    def search(self, query: Values, k: int) -> list[int]:
        """Re-ranked by the features."""
        codes = edge.QuantizationSearchParams(rescore=True, oversampling=_OVERSAMPLING)
        request = edge.QueryRequest(
            query=edge.Query.Nearest(query.tolist()),
            limit=k,
            params=edge.SearchParams(hnsw_ef=_EF, quantization=codes),
        )
        return [one.id for one in self._shard.query(request)]

    def close(self) -> None:
        """Close the shard."""
        self._shard.close()
