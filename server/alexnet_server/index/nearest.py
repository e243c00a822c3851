"""Exact distances, and the k nearest of many features that are offered chunk by chunk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alexnet_server.engine import Values


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
    """Keeps the ``k`` nearest to one query, float32 [units]."""

    def __init__(
        self, query: Values, k: int, max_distance: float | None = None, metric: str = "l2"
    ) -> None:
        self._query = query
        self._k = k
        self._limit = np.inf if max_distance is None else max_distance
        self._metric = metric
        self._keys = np.empty(0, np.int64)
        self._distances = np.empty(0, np.float32)

    def offer(self, keys: npt.NDArray[np.int64], features: Values) -> None:
        """``keys`` int64 [n] and their ``features`` float32 [n, units]; equal distances by key."""
        found = distances(features, self._query, self._metric)
        near = found <= self._limit
        keys = np.concatenate([self._keys, keys[near]])
        found = np.concatenate([self._distances, found[near]])
        best = np.lexsort((keys, found))[: self._k]
        self._keys, self._distances = keys[best], found[best]

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
