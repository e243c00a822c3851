"""The features every engine is given, in one file, and the pictures that are really nearest."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

Values = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]

UNITS = 4096
NEAREST = 10
_BLOCK = 4096
# |x|^2 - 2 xq in float32 is off by some 1e-3: more than are asked for are compared again.
_LOOKED_AT = 40


class Refused(Exception):
    """What cannot be measured here, and why."""


@dataclass(frozen=True)
class Features:
    """Queries and pictures in a folder: float32 [queries, units] and [pictures, units], raw.

    The pictures are read and not mapped: what is mapped would count as memory of the engine.
    """

    folder: Path
    pictures: int

    @property
    def path(self) -> Path:
        """The pictures' features."""
        return self.folder / "features.f32"

    def read(self, start: int, count: int) -> Values:
        """Features of the pictures ``start``.., float32 [<=count, units]."""
        count = min(count, self.pictures - start)
        read = np.fromfile(self.path, np.float32, count * UNITS, offset=start * UNITS * 4)
        return read.reshape(count, UNITS)

    def sample(self, count: int) -> Values:
        """At most ``count`` pictures evenly from all, float32 [<=count, units], to learn on."""
        mapped = np.memmap(self.path, np.float32, "r", shape=(self.pictures, UNITS))
        return np.array(mapped[:: -(-self.pictures // min(count, self.pictures))])

    def queries(self) -> Values:
        """Float32 [queries, units], from the same source as the pictures; none of them is one."""
        return np.fromfile(self.folder / "queries.f32", np.float32).reshape(-1, UNITS)

    def nearest(self) -> Keys:
        """Row numbers of the pictures nearest to each query, int64 [queries, NEAREST]."""
        return np.fromfile(self.folder / "nearest.i64", np.int64).reshape(-1, NEAREST)


def require_space(folder: Path, need_bytes: int, what: str) -> None:
    """Raises Refused where ``folder`` has not room for it."""
    free = shutil.disk_usage(folder).free
    if free < need_bytes:
        raise Refused(f"{what} takes {need_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")


def write_features(folder: Path, chunks: Iterable[Values], pictures: int, queries: int) -> Features:
    """Write ``chunks``, of which the first rows are the queries, and find what is nearest.

    Raises Refused where the chunks end too early.
    """
    found = Features(folder, pictures)
    wanted = {folder / "queries.f32": queries, found.path: pictures}
    progress = tqdm(total=queries + pictures, desc="features", unit="", disable=None)
    source = iter(chunks)
    left = np.empty((0, UNITS), np.float32)
    for path, count in wanted.items():
        with path.open("wb") as file:
            written = 0
            while written < count:
                chunk = left if len(left) else next(source, left)
                if not len(chunk):
                    raise Refused(f"{count - written:,} features are missing")
                now, left = chunk[: count - written], chunk[count - written :]
                now.astype(np.float32, copy=False).tofile(file)
                written += len(now)
                progress.update(len(now))
    progress.close()
    _nearest(found).tofile(folder / "nearest.i64")
    return found


def _nearest(features: Features) -> Keys:
    """Row numbers of the nearest by L2, int64 [queries, NEAREST]; by GEMM, then by differences."""
    queries = features.queries()
    keys = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float32)
    for start in tqdm(range(0, features.pictures, _BLOCK), "exact", disable=None):
        block = features.read(start, _BLOCK)
        # |x|^2 - 2 xq puts them in the same order as |x - q|^2: [queries, block].
        found = np.einsum("nu,nu->n", block, block) - 2 * (queries @ block.T)
        numbers = np.broadcast_to(np.arange(start, start + len(block)), found.shape)
        keys, scores = np.hstack([keys, numbers]), np.hstack([scores, found])
        best = np.argpartition(scores, min(_LOOKED_AT, scores.shape[1]) - 1)[:, :_LOOKED_AT]
        keys, scores = np.take_along_axis(keys, best, 1), np.take_along_axis(scores, best, 1)
    return np.stack([_in_order(features, *one) for one in zip(queries, keys, strict=True)])


def _in_order(features: Features, query: Values, keys: Keys) -> Keys:
    rows = np.concatenate([features.read(int(key), 1) for key in keys]).astype(np.float64)
    return keys[np.argsort(np.square(rows - query).sum(1), kind="stable")[:NEAREST]]


def described(features: Features) -> dict[str, Any]:
    """What the features look like, on 2,000 of them."""
    sample = features.sample(2_000)
    norms = np.linalg.norm(sample, axis=1)
    return {
        "units": UNITS,
        "nonzero": round(float((sample > 0).mean()), 3),
        "norm": round(float(norms.mean()), 1),
        "norm_deviation": round(float(norms.std()), 1),
    }
