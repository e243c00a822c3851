"""How well features find pictures of the same class, L2 and cosine, without any index.

Each query is compared with every other picture, in blocks: beside the features, which may lie in
a memory map, this takes some 200 MiB however many pictures there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

METRICS = ("l2", "cosine")
MAX_QUERIES = 5000

_BLOCK_BYTES = 64 * 2**20
_RANKING_BYTES = 40  # that ranking one picture for one query takes
_ROWS = 1024  # of the features at a time: 16 MiB
_SEED = 2012


@dataclass(frozen=True)
class Found:
    """What one metric finds.

    Attributes:
        precision_at: for each k, the mean over the queries of the share of their k nearest
            pictures that are of their class; None where there are fewer than k others.
        mean_average_precision: the mean over the queries of the mean, over the pictures of their
            class, of the precision at the rank of each.
    """

    precision_at: dict[int, float | None]
    mean_average_precision: float

    def as_json(self) -> dict[str, Any]:
        """Return both, k as text."""
        precision = {str(k): share for k, share in self.precision_at.items()}
        return {
            "precision_at": precision,
            "mean_average_precision": self.mean_average_precision,
        }


@dataclass(frozen=True)
class Retrieval:
    """What the features find of the pictures' own classes.

    Attributes:
        pictures: how many are searched.
        queries: how many of them were looked for: all that have another picture of their class,
            or `MAX_QUERIES` of those chosen at random (the same in each run).
        alone: how many have no other picture of their class, so that nothing is to be found.
        chance: the precision that a random order has, on average over the queries.
        found: by metric.
    """

    pictures: int
    queries: int
    alone: int
    chance: float
    found: dict[str, Found]

    def as_json(self) -> dict[str, Any]:
        """Return the figures by their names."""
        counts = {"pictures": self.pictures, "queries": self.queries, "alone": self.alone}
        by_metric = {metric: found.as_json() for metric, found in self.found.items()}
        return counts | {"chance": self.chance} | by_metric


def retrieval(
    features: NDArray[np.float32],
    labels: Sequence[str],
    ks: Sequence[int],
    *,
    max_queries: int = MAX_QUERIES,
    block_bytes: int = _BLOCK_BYTES,
    advance: Callable[[int], None] = lambda queries: None,
) -> Retrieval | None:
    """Rank all other pictures for each query; None where no class has two pictures.

    Pictures at equal distance keep their order.

    Args:
        features: float32 [n, units].
        labels: the class of each row.
        ks: where to cut for the precision.
        max_queries: rank for no more than these.
        block_bytes: what the ranking of one block of queries may take.
        advance: told how many queries more are done, after each block.
    """
    names, numbers = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    sizes = np.bincount(numbers, minlength=len(names))  # [classes]
    queries = np.flatnonzero(sizes[numbers] > 1)
    alone = len(numbers) - len(queries)
    if len(queries) > max_queries:
        random = np.random.default_rng(_SEED)
        queries = np.sort(random.choice(queries, max_queries, replace=False))
    if not len(queries):
        return None
    precision = {metric: np.zeros(len(ks)) for metric in METRICS}
    average = dict.fromkeys(METRICS, 0.0)
    squared = _squared_lengths(features)  # [n]
    step = max(1, block_bytes // (_RANKING_BYTES * len(numbers)))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        for metric, keys in _keys(features, squared, block):
            same = _same_class(keys, numbers, block)  # [block, n - 1]
            hits = np.cumsum(same, axis=1, dtype=np.float32)
            precision[metric] += [hits[:, min(k, hits.shape[1]) - 1].sum() / k for k in ks]
            hits /= np.arange(1, hits.shape[1] + 1, dtype=np.float32)  # the precision at each rank
            hits *= same
            average[metric] += float((hits.sum(axis=1) / (sizes[numbers[block]] - 1)).sum())
        advance(len(block))
    others = len(numbers) - 1
    found = {
        metric: Found(
            {
                k: float(total / len(queries)) if k <= others else None
                for k, total in zip(ks, precision[metric], strict=True)
            },
            average[metric] / len(queries),
        )
        for metric in METRICS
    }
    chance = float((sizes[numbers[queries]] - 1).mean() / others)
    return Retrieval(len(numbers), len(queries), alone, chance, found)


def _keys(
    features: NDArray[np.float32], squared: NDArray[np.float32], block: NDArray[np.intp]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield each metric with what orders as its distances do, float32 [block, n].

    What is the same for all pictures of a query is left out: its own length, and a root.
    """
    dots = np.empty((len(block), len(features)), dtype=np.float32)
    asked = features[block]  # [block, units]
    for start in range(0, len(features), _ROWS):
        rows = features[start : start + _ROWS]
        np.matmul(asked, rows.T, out=dots[:, start : start + _ROWS])
    yield "l2", squared - 2 * dots
    # A row of zeros is at a right angle to all others: its product is zero, whatever divides it.
    dots /= -np.sqrt(np.where(squared > 0, squared, 1))
    yield "cosine", dots


def _same_class(
    keys: NDArray[np.float32], numbers: NDArray[np.intp], block: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether the picture at each rank is of the query's class; the query itself left out."""
    keys[np.arange(len(block)), block] = np.inf  # last, and cut off
    order = np.argsort(keys, axis=1, kind="stable")[:, :-1]
    same: NDArray[np.bool_] = numbers[order] == numbers[block][:, None]
    return same


def _squared_lengths(features: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.empty(len(features), dtype=np.float32)
    for start in range(0, len(features), _ROWS):
        rows = features[start : start + _ROWS]
        lengths[start : start + _ROWS] = np.einsum("nu,nu->n", rows, rows)
    return lengths
