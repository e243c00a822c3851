"""Pictures of a collection that are near each other, found by searching for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from alexnet_server.engine import Values
from alexnet_server.index.milvus.collection import Collection
from alexnet_server.index.milvus.expression import quoted
from alexnet_server.index.milvus.nearest import nearest
from alexnet_server.index.milvus.rows import matrix
from alexnet_server.index.records import Neighbor, Pair

_FIRST = 16  # neighbours asked for at first, four times as many while all are near enough
_MOST = 1_000  # neighbours of one picture


def pairs_of(
    collection: Collection,
    metric: str,
    after: str,
    limit: int,
    *,
    max_distance: float,
    require_wanted: Callable[[], None],
) -> tuple[list[Pair], str | None]:
    """As ``Index.pairs``; at most the 1,000 nearest of a picture."""
    found: list[Pair] = []
    last: str | None = None
    rows = collection.after(after, limit, ["id", "features"])
    search = partial(nearest, collection, metric)
    for one, features in zip(rows, matrix(rows), strict=True):
        last = one["id"]
        found += [
            Pair(last, neighbor.id, neighbor.distance)
            for neighbor in _smaller(search, last, features, max_distance, require_wanted)
        ]
    is_last = last is None or not collection.after(last, 1, ["id"])
    return found, None if is_last else last


def _smaller(
    search: Callable[[Values, int, str], list[Neighbor]],
    picture_id: str,
    features: Values,
    max_distance: float,
    require_wanted: Callable[[], None],
) -> list[Neighbor]:
    """The pictures of smaller ids that are at most ``max_distance`` away."""
    k = _FIRST
    while True:
        require_wanted()
        found = search(features, k, f"id < {quoted(picture_id)}")
        near = [one for one in found if one.distance <= max_distance]
        if len(near) < k or k == _MOST:
            return near
        k = min(4 * k, _MOST)
