"""The k nearest of many features, offered chunk by chunk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alexnet_server.engine import Values


class Candidates:
    """Keeps the ``k`` nearest to one query.

    Distances are Euclidean and computed from the difference of the features, never from their
    products, so that a picture is at distance 0 from itself.
    """

    def __init__(self, query: Values, k: int, max_distance: float | None = None) -> None:
        self._query = query
        self._k = k
        self._limit = np.inf if max_distance is None else max_distance
        self._keys = np.empty(0, np.int64)
        self._distances = np.empty(0, np.float32)

    def offer(self, keys: npt.NDArray[np.int64], features: Values) -> None:
        """``keys`` int64 [n] and their ``features`` float32 [n, units]; equal distances by key."""
        difference = features - self._query  # [n, units]
        distances = np.sqrt(np.einsum("nu,nu->n", difference, difference))
        near = distances <= self._limit
        keys = np.concatenate([self._keys, keys[near]])
        distances = np.concatenate([self._distances, distances[near]])
        best = np.lexsort((keys, distances))[: self._k]
        self._keys, self._distances = keys[best], distances[best]

    def nearest(self) -> list[tuple[int, float]]:
        """Keys and distances, nearest first."""
        return list(zip(self._keys.tolist(), self._distances.tolist(), strict=True))
