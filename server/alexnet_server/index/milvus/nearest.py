"""The nearest pictures of a collection, by distances from their own features."""

from __future__ import annotations

from alexnet_server.engine import Values
from alexnet_server.index.milvus.collection import Collection
from alexnet_server.index.milvus.rows import TEXTS, matrix, stored
from alexnet_server.index.nearest import distances
from alexnet_server.index.records import Neighbor

# Milvus orders by distances of its own, which lie beside the true ones where features are close.
_LEAST_ASKED = 50


def nearest(
    collection: Collection, metric: str, features: Values, k: int, wanted: str
) -> list[Neighbor]:
    """The ``k`` nearest to ``features`` float32 [units] of more than Milvus finds.

    ``wanted`` is the expression of a filter.  Raises StorageFailed.
    """
    rows = collection.nearest(features, max(2 * k, _LEAST_ASKED), [*TEXTS, "features"], wanted)
    if not rows:
        return []
    exact = distances(matrix(rows), features, metric)  # [n]
    found = [(float(far), stored(one)) for far, one in zip(exact, rows, strict=True)]
    found.sort(key=lambda one: (one[0], one[1].id))
    return [Neighbor(one.id, far, one.label, one.metadata) for far, one in found[:k]]
