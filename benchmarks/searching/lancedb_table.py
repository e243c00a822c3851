"""LanceDB: a columnar table on disk, with RaBitQ codes in lists and re-ranking by the features."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import pyarrow as pa
from lancedb.index import IvfRq

from benchmarks.searching.features import UNITS, Features, Keys, Values

_REFINE = 20  # 200 pictures are compared exactly, as ours has it
_PROBES = 20  # the default
_UNINDEXED = 1_000  # rows; an index of fewer is not made


class LanceDb:
    """IVF_RQ, which its guide recommends for features of many dimensions."""

    distributions = ("lancedb", "pyarrow")
    durable = "written, not synced: survives a kill, not a power cut"

    def __init__(self, folder: Path, features: Features) -> None:
        self._folder = folder / "lance"
        self._pictures = features.pictures
        self._table: Any = None
        self._schema = pa.schema(
            [("key", pa.int64()), ("vector", pa.list_(pa.float32(), UNITS))],
        )
        self.settings: dict[str, Any] = {}

    def memory_bytes(self) -> int:
        """What the centres are learnt on."""
        return min(self._pictures, 65_536) * UNITS * 4

    def create(self) -> None:
        """An empty table."""
        self._table = lancedb.connect(self._folder).create_table("pictures", schema=self._schema)

    def add(self, keys: Keys, features: Values) -> None:
        """One version of the table."""
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), UNITS)
        self._table.add(pa.Table.from_arrays([pa.array(keys), vectors], schema=self._schema))

    def finish(self) -> None:
        """One file of the batches' many, then the index: lists as it chooses, 1 bit a dimension."""
        self._table.optimize(cleanup_older_than=timedelta(0))
        if self._pictures >= _UNINDEXED:
            self._table.create_index("vector", config=IvfRq(distance_type="l2"))
            index = self._table.list_indices()[0]
            self._table.wait_for_index([index.name])
        self.settings = {"index": "IVF_RQ", "refine_factor": _REFINE, "nprobes": _PROBES}

    def open(self) -> None:
        """The table; its index is read by the first search."""
        self._table = lancedb.connect(self._folder).open_table("pictures")

    def search(self, query: Values, k: int) -> list[int]:
        """Keys alone, without the features."""
        asked = self._table.search(query).distance_type("l2").limit(k)
        asked = asked.nprobes(_PROBES).refine_factor(_REFINE).select(["key", "_distance"])
        found: list[int] = asked.to_arrow()["key"].to_pylist()
        return found

    def close(self) -> None:
        """Nothing to be given back."""
        self._table = None
