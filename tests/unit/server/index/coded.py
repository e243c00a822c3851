"""An index that makes codes of few pictures already, and pictures that have neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from alexnet_server.index.database import Database
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Binding
from alexnet_server.index.writer import Writer
from tests.unit.server.index.given import UNITS
from tests.waiting import wait_until

EXACT_UP_TO = 300


@contextmanager
def coded_index(
    path: Path,
    metric: str = "l2",
    *,
    units: int = UNITS,
    codes: Path | None = None,
    exact_up_to: int = EXACT_UP_TO,
    again_at: int = 50_000,
) -> Iterator[PictureIndex]:
    database = Database(path)
    writer = Writer(database)
    index = PictureIndex(
        database,
        writer,
        Binding("digest-one", units, metric=metric),
        codes=codes,
        exact_up_to=exact_up_to,
        again_at=again_at,
    )
    try:
        yield index
    finally:
        index.close()
        writer.close()
        database.close()


def wait_for_codes(index: PictureIndex, fitted_on: int | None = None) -> None:
    """Until searches go by codes, fitted on as many pictures, and no others are left."""
    stages, recoding = index._search._stages, index._search._recoding

    def is_done() -> bool:
        now = stages.current
        is_right = now is not None and fitted_on in (None, now.fitted_on)
        return is_right and recoding._thread is None and not recoding._is_due()

    wait_until(is_done)


def clustered(count: int, units: int, seed: int = 8, centres: int | None = None) -> np.ndarray:
    """Features with neighbours: points about centres, half of them off, float32 [count, units]."""
    random = np.random.default_rng(seed)
    middles = random.standard_normal((centres or max(1, count // 40), units))
    near = random.standard_normal((count, units)) * 0.6
    rows = middles[random.integers(0, len(middles), count)] + near
    return np.maximum(rows * 3, 0).astype(np.float32)


def nearest_by_numpy(features: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    """Distances in double precision, float64 [n]."""
    wide, asked = features.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        return np.sqrt(((wide - asked) ** 2).sum(axis=1))
    return 1 - wide @ asked / (np.linalg.norm(wide, axis=1) * np.linalg.norm(asked))
