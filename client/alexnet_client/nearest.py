"""What lies near a picture, and which stored pictures are nearly the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_client import exchange
from alexnet_client.calls import call, picture_call
from alexnet_client.conditions import as_query, given
from alexnet_client.duplicates import DuplicateGroup, Groups, PairPage
from alexnet_client.errors import NotFound
from alexnet_client.ids import path as path_of
from alexnet_client.picture import Picture, Upload
from alexnet_client.results import Neighbor, SearchResult, StoredPicture, only
from alexnet_client.steps import Steps, read, send

PAIRS_OF = 1000  # pictures a page of /duplicates; the server ends one early that takes long


class Nearest:
    """The calls that compare pictures; `alexnet_client.Client` adds the others."""

    @picture_call
    def search(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        k: int = 10,
        exact: bool = False,
        label: str | None = None,
        max_distance: float | None = None,
        where: Mapping[str, Any] | None = None,
        views: int | None = None,
    ) -> Steps[list[SearchResult]]:
        """Find the ``k`` stored pictures nearest to a picture, the nearest first.

        ``exact`` compares with every stored picture; ``label`` and ``max_distance`` leave out
        pictures of another label, or farther away; ``where`` those whose metadata does not pass
        it, as `list` takes it. ``views`` (1 or 10) are those the index was made with, if not given.
        """
        params = _chosen(k, exact, label, max_distance, where) | given(views=views)
        return (yield from exchange.post(pictures, "/search", params, SearchResult))

    @call
    def search_features(
        self,
        features: NDArray[np.floating[Any]] | Sequence[float],
        *,
        k: int = 10,
        exact: bool = False,
        label: str | None = None,
        max_distance: float | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Steps[SearchResult]:
        """Find the ``k`` stored pictures nearest to ``features`` [4096], as `search` does.

        Raises:
            ValueError: the features are no single row of finite numbers.
        """
        row = np.asarray(features, dtype=np.float64)
        if row.ndim != 1 or not np.isfinite(row).all():
            raise ValueError(f"features are one row of finite numbers, not of shape {row.shape}")
        params = _chosen(k, exact, label, max_distance, where)
        body = {"features": row.tolist()}
        reply = yield from send("POST", "/search", params=params, json=body)
        return only((yield from exchange.results([Upload("features")], SearchResult, reply)))

    @call
    def similar(
        self,
        id: str,
        *,
        k: int = 10,
        exact: bool = False,
        label: str | None = None,
        max_distance: float | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Steps[list[Neighbor]]:
        """Return the ``k`` stored pictures nearest to a stored one, itself left out; see `search`.

        Raises:
            NotFound: no picture has this id.
        """
        params = _chosen(k, exact, label, max_distance, where)
        reply = yield from send("GET", f"{path_of(id)}/similar", params=params)
        return reply.read(lambda body: [Neighbor.from_json(n) for n in body["neighbors"]])

    @call
    def duplicates(
        self, max_distance: float, *, on_page: Callable[[int, int], None] = lambda done, total: None
    ) -> Steps[list[DuplicateGroup]]:
        """Return the stored pictures that are nearly the same, in groups of two and more.

        Two pictures are in one group where they are at most ``max_distance`` apart, or where a
        chain of such pairs leads from one to the other. ``on_page`` is told how many of how many
        pictures have been compared.
        """
        groups = Groups()
        cursor, done = None, 0
        while True:
            params = given(max_distance=max_distance, limit=PAIRS_OF, cursor=cursor)
            reply = yield from send("GET", "/duplicates", params=params)
            page = yield from read(reply, PairPage.of)
            for one, other in page.pairs:
                groups.join(one, other)
            done += page.compared
            on_page(done, max(done, page.count))
            cursor = page.next_cursor
            if cursor is None:
                described = yield from _described(groups)
                return sorted(described, key=lambda group: group.keep.id)


def _described(groups: Groups) -> Steps[list[DuplicateGroup]]:
    found = []
    for ids in groups.several():
        there = []
        for id in ids:
            with suppress(NotFound):  # deleted meanwhile
                reply = yield from send("GET", path_of(id))
                there.append(reply.read(StoredPicture.from_json))
        if len(there) > 1:
            found.append(DuplicateGroup.of(there))
    return found


def _chosen(
    k: int,
    exact: bool,
    label: str | None,
    max_distance: float | None,
    where: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return given(k=k, exact=exact, label=label, max_distance=max_distance, where=as_query(where))
