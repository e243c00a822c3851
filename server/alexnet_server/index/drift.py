"""How far a new model's features stand from the former one's, on the pictures that both have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alexnet_server.engine import Values

NEIGHBORS = 10
MOST_COMPARED = 1_000  # pictures whose neighbours are looked for
_ROWS = 4_096  # 64 MiB of features at a time
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """One model's features of the pictures that both have, row by row in the same order.

    ``features`` gives those of ``rows``, float32 [rows, units]; ``metric`` is l2 or cosine.
    """

    features: Callable[[Rows], Values]
    metric: str


@dataclass(frozen=True)
class Drift:
    """What changes for who searches; None where there was nothing to compare.

    ``neighbors_kept_at_10`` is the part of the ten nearest pictures that stay among the ten
    nearest, ``mean_cosine`` that of a picture's two features (None where their units differ),
    ``labels_flipped`` the part of ``labelled`` pictures whose ten nearest have another label most
    often.  ``pictures`` are in both, and ``compared`` of them were looked at.
    """

    pictures: int
    compared: int
    neighbors_kept_at_10: float | None
    mean_cosine: float | None
    labelled: int
    labels_flipped: float | None


def drift(
    labels: Sequence[str | None], old: Side, new: Side, progress: Callable[[int], object]
) -> Drift:
    """Compare two sides of ``len(labels)`` pictures; ``progress`` is told rows as they are read."""
    count = len(labels)
    if count < 2:
        return Drift(count, 0, None, None, 0, None)
    compared = np.unique(np.linspace(0, count - 1, MOST_COMPARED).astype(np.int64))
    before = _Nearest(compared, old)
    after = _Nearest(compared, new)
    for first in range(0, count, _ROWS):
        rows = np.arange(first, min(first + _ROWS, count))
        before.offer(rows)
        after.offer(rows)
        progress(len(rows))
    found = list(zip(compared, before.found(), after.found(), strict=True))
    kept = [len(np.intersect1d(one, two)) / len(one) for _, one, two in found]
    votes = [
        (_majority(labels, one), _majority(labels, two))
        for row, one, two in found
        if labels[row] is not None
    ]
    return Drift(
        count,
        len(compared),
        round(float(np.mean(kept)), 4),
        _mean_cosine(before.queries, after.queries),
        len(votes),
        round(sum(one != two for one, two in votes) / len(votes), 4) if votes else None,
    )


class _Nearest:
    """The nearest other pictures of each of ``compared``, as rows are offered."""

    def __init__(self, compared: Rows, side: Side) -> None:
        self._compared = compared
        self._side = side
        self.queries = side.features(compared)  # [compared, units]
        self._unit_queries = self._scaled(self.queries)
        self._found: Rows = np.empty((len(compared), 0), np.int64)
        self._distances: Values = np.empty((len(compared), 0), np.float32)

    def offer(self, rows: Rows) -> None:
        features = self._scaled(self._side.features(rows))  # [rows, units]
        # The square without the query's own, which changes no order; of scaled rows that order
        # is the one by cosine.
        distances = (features**2).sum(axis=1) - 2 * self._unit_queries @ features.T
        distances[self._compared[:, None] == rows] = np.inf  # [compared, rows]; no self
        found = np.hstack([self._found, np.broadcast_to(rows, distances.shape)])
        distances = np.hstack([self._distances, distances])
        if distances.shape[1] > NEIGHBORS:
            best = np.argpartition(distances, NEIGHBORS - 1, axis=1)[:, :NEIGHBORS]
            found = np.take_along_axis(found, best, axis=1)
            distances = np.take_along_axis(distances, best, axis=1)
        self._found, self._distances = found, distances

    def found(self) -> list[Rows]:
        """The rows of each one's nearest, in no order: ten, or all others where they are fewer."""
        both = zip(self._found, self._distances, strict=True)
        return [rows[np.isfinite(distances)] for rows, distances in both]

    def _scaled(self, features: Values) -> Values:
        if self._side.metric == "l2":
            return features
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        scaled: Values = features / np.maximum(norms, np.finfo(np.float32).tiny)
        return scaled


def _majority(labels: Sequence[str | None], rows: Rows) -> str | None:
    """The label that most of ``rows`` have; of several the first in order, so that ties agree."""
    given = [labels[row] for row in rows]
    counted = Counter(label for label in given if label is not None)
    most = max(counted.values(), default=0)
    return min((label for label, times in counted.items() if times == most), default=None)


def _mean_cosine(one: Values, two: Values) -> float | None:
    if one.shape != two.shape:
        return None
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)  # [compared]
    some = norms > 0
    if not some.any():
        return None
    return round(float(np.mean((one * two).sum(axis=1)[some] / norms[some])), 4)
