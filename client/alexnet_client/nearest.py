"""What lies near a picture, and which stored pictures are nearly the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from alexnet_client import exchange
from alexnet_client.conditions import as_query, given
from alexnet_client.connection import Connection
from alexnet_client.duplicates import DuplicateGroup, Groups, PairPage
from alexnet_client.errors import NotFound
from alexnet_client.ids import path as path_of
from alexnet_client.picture import Picture, Upload, is_one
from alexnet_client.results import Neighbor, SearchResult, StoredPicture

PAIRS_OF = 1000  # pictures a page of /duplicates; the server ends one early that takes long


class Nearest:
    """The calls that compare pictures; `alexnet_client.Client` adds the others."""

    _connection: Connection

    @overload
    def search(  # type: ignore[overload-overlap]  # a str is a path, not several
        self,
        pictures: Picture,
        *,
        k: int = ...,
        exact: bool = ...,
        label: str | None = ...,
        max_distance: float | None = ...,
        where: Mapping[str, Any] | None = ...,
        views: int | None = ...,
    ) -> SearchResult: ...
    @overload
    def search(
        self,
        pictures: Iterable[Picture],
        *,
        k: int = ...,
        exact: bool = ...,
        label: str | None = ...,
        max_distance: float | None = ...,
        where: Mapping[str, Any] | None = ...,
        views: int | None = ...,
    ) -> list[SearchResult]: ...
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
    ) -> SearchResult | list[SearchResult]:
        """Find the ``k`` stored pictures nearest to a picture, the nearest first.

        ``exact`` compares with every stored picture; ``label`` and ``max_distance`` leave out
        pictures of another label, or farther away; ``where`` those whose metadata does not pass
        it, as `list` takes it. ``views`` (1 or 10) are those the index was made with, if not given.
        """
        params = _chosen(k, exact, label, max_distance, where) | given(views=views)
        results = exchange.pictures(self._connection, "/search", params, pictures, SearchResult)
        return exchange.only(results) if is_one(pictures) else list(results)

    def search_features(
        self,
        features: NDArray[np.floating[Any]] | Sequence[float],
        *,
        k: int = 10,
        exact: bool = False,
        label: str | None = None,
        max_distance: float | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> SearchResult:
        """Find the ``k`` stored pictures nearest to ``features`` [4096], as `search` does.

        Raises:
            ValueError: the features are no single row of finite numbers.
        """
        row = np.asarray(features, dtype=np.float64)
        if row.ndim != 1 or not np.isfinite(row).all():
            raise ValueError(f"features are one row of finite numbers, not of shape {row.shape}")
        params = _chosen(k, exact, label, max_distance, where)
        body = {"features": row.tolist()}
        reply = self._connection.request("POST", "/search", params=params, json=body)
        return exchange.only(exchange.results([Upload("features")], SearchResult, reply))

    def similar(
        self,
        id: str,
        *,
        k: int = 10,
        exact: bool = False,
        label: str | None = None,
        max_distance: float | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> list[Neighbor]:
        """Return the ``k`` stored pictures nearest to a stored one, itself left out; see `search`.

        Raises:
            NotFound: no picture has this id.
        """
        params = _chosen(k, exact, label, max_distance, where)
        reply = self._connection.request("GET", f"{path_of(id)}/similar", params=params)
        return reply.read(lambda body: [Neighbor.from_json(n) for n in body["neighbors"]])

    def duplicates(
        self, max_distance: float, *, on_page: Callable[[int, int], None] = lambda done, total: None
    ) -> list[DuplicateGroup]:
        """Return the stored pictures that are nearly the same, in groups of two and more.

        Two pictures are in one group where they are at most ``max_distance`` apart, or where a
        chain of such pairs leads from one to the other. ``on_page`` is told how many of how many
        pictures have been compared.
        """
        groups = Groups()
        cursor, done = None, 0
        while True:
            params = given(max_distance=max_distance, limit=PAIRS_OF, cursor=cursor)
            page = self._connection.request("GET", "/duplicates", params=params).read(PairPage.of)
            for one, other in page.pairs:
                groups.join(one, other)
            done += page.compared
            on_page(done, max(done, page.count))
            cursor = page.next_cursor
            if cursor is None:
                return sorted(self._described(groups), key=lambda group: group.keep.id)

    def _described(self, groups: Groups) -> Iterator[DuplicateGroup]:
        for ids in groups.several():
            there = []
            for id in ids:
                with suppress(NotFound):  # deleted meanwhile
                    reply = self._connection.request("GET", path_of(id))
                    there.append(reply.read(StoredPicture.from_json))
            if len(there) > 1:
                yield DuplicateGroup.of(there)


def _chosen(
    k: int,
    exact: bool,
    label: str | None,
    max_distance: float | None,
    where: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return given(k=k, exact=exact, label=label, max_distance=max_distance, where=as_query(where))
