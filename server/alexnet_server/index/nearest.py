"""Exact distances, and the k nearest of many features that are offered chunk by chunk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alexnet_server.engine import Values
from alexnet_server.index.stored_features import StoredFeatures


def distances(features: Values, query: Values, metric: str) -> Values:
    """Distance of each of ``features``, float32 [n, units], from ``query``, float32 [units].

    ``l2`` is the Euclidean distance, ``cosine`` 1 minus the cosine; what is all zero has no
    direction and is at cosine distance 1 from everything.  Returns float32 [n].

    Both come from the difference of the features, never from their products, so that a picture is
    at distance 0 from itself: of unit vectors, 1 - cos = |u - v|^2 / 2.
    """
    if metric == "l2":
        return np.sqrt(_squared_lengths(features - query))
    units, has_direction = _directions(features)
    query_unit, query_has = _directions(query[np.newaxis])
    halves = _squared_lengths(units - query_unit) / 2  # [n]
    return np.where(has_direction & query_has, halves, np.float32(1))


class Candidates:
    """Keeps the ``k`` nearest to one query, float32 [units].

    ``damaged`` are keys of pictures that were among them at some time, and are not as they were
    written.
    """

    def __init__(
        self, query: Values, k: int, max_distance: float | None = None, metric: str = "l2"
    ) -> None:
        self._query = query
        self._k = k
        self._max_distance = max_distance
        self._metric = metric
        self._keys = np.empty(0, np.int64)
        self._distances = np.empty(0, np.float32)
        self.damaged: set[int] = set()

    @property
    def units(self) -> int:
        """Of the query."""
        return len(self._query)

    def like(self) -> Candidates:
        """Another one for the same question, with nothing in it."""
        return Candidates(self._query, self._k, self._max_distance, self._metric)

    def offer(self, read: StoredFeatures) -> None:
        """Take what is near enough; of equal distances the smallest key."""
        found = distances(read.features, self._query, self._metric)
        limit = np.inf if self._max_distance is None else self._max_distance
        near = np.flatnonzero(found <= limit)
        kept = self._keep(read.keys[near], found[near])
        self.damaged |= read.damaged(near[kept])

    def merge(self, other: Candidates) -> None:
        """Take what another one found."""
        self._keep(other._keys, other._distances)
        self.damaged |= other.damaged

    def _keep(self, keys: npt.NDArray[np.int64], found: Values) -> npt.NDArray[np.intp]:
        """The nearest of these and those before; returns which of these are among them."""
        before = len(self._keys)
        keys = np.concatenate([self._keys, keys])
        found = np.concatenate([self._distances, found])
        best = np.lexsort((keys, found))[: self._k]
        self._keys, self._distances = keys[best], found[best]
        kept: npt.NDArray[np.intp] = best[best >= before] - before
        return kept

    def nearest(self) -> list[tuple[int, float]]:
        """Keys and distances, nearest first."""
        return list(zip(self._keys.tolist(), self._distances.tolist(), strict=True))


def _squared_lengths(rows: Values) -> Values:
    squared: Values = np.einsum("nu,nu->n", rows, rows)
    return squared


def _directions(rows: Values) -> tuple[Values, npt.NDArray[np.bool_]]:
    """``rows`` [n, units] at length 1, and which have one at all [n]."""
    squared = np.einsum("nu,nu->n", rows, rows, dtype=np.float64)
    lengths: Values = np.sqrt(squared).astype(np.float32)
    has_direction = lengths > 0
    divisors: Values = np.where(has_direction, lengths, np.float32(1))[:, np.newaxis]  # [n, 1]
    return rows / divisors, has_direction
