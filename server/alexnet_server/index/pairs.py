"""Pictures that are near each other, found by searching for each."""

from __future__ import annotations

from alexnet_server.errors import PictureNotFound
from alexnet_server.index import Index, Wanted
from alexnet_server.index.records import Neighbor, Pair

_FIRST = 64  # neighbours asked for at first, four times as many while all are near enough
MOST = 1_000  # neighbours of one picture


def pairs_of(
    index: Index, after: str, limit: int, max_distance: float, require_wanted: Wanted
) -> tuple[list[Pair], str | None]:
    """As ``Index.pairs``; of more than 1,000 pictures near one, the nearest 1,000 are seen."""
    page = index.page(after, limit)
    found: list[Pair] = []
    for picture in page.pictures:
        require_wanted()
        near = _near(index, picture.id, max_distance, require_wanted)
        found += [Pair(picture.id, one.id, one.distance) for one in near if one.id < picture.id]
    return found, page.next_cursor


def _near(
    index: Index, picture_id: str, max_distance: float, require_wanted: Wanted
) -> list[Neighbor]:
    try:
        features = index.features(picture_id)
    except PictureNotFound:  # deleted meanwhile
        return []
    k = _FIRST
    while True:
        near = index.search(
            features,
            k,
            max_distance=max_distance,
            excluding=picture_id,
            require_wanted=require_wanted,
        )
        if len(near) < k or k == MOST:
            return near
        k = min(4 * k, MOST)
