"""The collection of stored pictures: add, search, list, delete."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from alexnet_client import exchange
from alexnet_client.connection import Connection, Reply
from alexnet_client.errors import BadPicture
from alexnet_client.ids import checked
from alexnet_client.ids import path as path_of
from alexnet_client.picture import (
    MAX_REQUEST_VIEWS,
    Picture,
    Upload,
    form_fields,
    is_one,
    read,
    several,
)
from alexnet_client.results import Added, ModelRef, Neighbor, SearchResult, StoredPicture


class Collection:
    """The calls about stored pictures; `alexnet_client.Client` adds those of the model."""

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
        views: int | None = None,
    ) -> SearchResult | list[SearchResult]:
        """Find the ``k`` stored pictures nearest to a picture, the nearest first.

        ``exact`` compares with every stored picture; ``label`` and ``max_distance`` leave out
        pictures of another label, or farther away. ``views`` (1 or 10) are those the index was
        made with, if not given.
        """
        params = _given(k=k, exact=exact, label=label, max_distance=max_distance, views=views)
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
    ) -> SearchResult:
        """Find the ``k`` stored pictures nearest to ``features`` [4096], as `search` does.

        Raises:
            ValueError: the features are no single row of finite numbers.
        """
        row = np.asarray(features, dtype=np.float64)
        if row.ndim != 1 or not np.isfinite(row).all():
            raise ValueError(f"features are one row of finite numbers, not of shape {row.shape}")
        params = _given(k=k, exact=exact, label=label, max_distance=max_distance)
        body = {"features": row.tolist()}
        reply = self._connection.request("POST", "/search", params=params, json=body)
        return exchange.only(exchange.results([Upload("features")], SearchResult, reply))

    def similar(self, id: str, *, k: int = 10) -> list[Neighbor]:
        """Return the ``k`` stored pictures nearest to a stored one, itself left out."""
        reply = self._connection.request("GET", f"{path_of(id)}/similar", params={"k": k})
        return reply.read(lambda body: [Neighbor.from_json(n) for n in body["neighbors"]])

    @overload
    def add(  # type: ignore[overload-overlap]  # a str is a path, not several
        self,
        pictures: Picture,
        *,
        id: str | None = ...,
        label: str | None = ...,
        metadata: Mapping[str, Any] | None = ...,
    ) -> Added: ...
    @overload
    def add(
        self,
        pictures: Iterable[Picture],
        *,
        label: str | None = ...,
        metadata: Mapping[str, Any] | None = ...,
    ) -> list[Added]: ...
    def add(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        id: str | None = None,
        label: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Added | list[Added]:
        """Upsert a picture under ``id`` (default: the sha256 of its bytes), or several.

        Several share ``label`` and ``metadata``; `add_many` takes them one by one.

        Raises:
            ValueError: the id is not of the form ``[A-Za-z0-9._-]{1,128}``, or is given for
                several pictures.
        """
        if not is_one(pictures):
            if id is not None:
                raise ValueError("one id was given for several pictures; add_many takes ids=[...]")
            return self.add_many(several(pictures), labels=label, metadata=metadata)
        (picture,) = several(pictures)
        upload = replace(read(picture), label=label, metadata=metadata)
        if upload.error is not None:
            raise upload.error
        path = path_of(id or hashlib.sha256(upload.content).hexdigest())
        form = form_fields([upload])
        try:
            reply = self._connection.request("PUT", path, files=[upload.form_file], data=form)
        except BadPicture as error:
            error.filename = upload.filename
            raise
        return reply.read(
            lambda body: Added.from_item(upload.filename, body, ModelRef.from_json(body["model"]))
        )

    def add_many(
        self,
        pictures: Iterable[Picture],
        *,
        ids: Sequence[str | None] | None = None,
        labels: str | Sequence[str | None] | None = None,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[Added]:
        """Upsert several pictures; each of ids, labels and metadata has one entry per picture.

        A single label or mapping stands for all. An id that is None becomes the sha256 of the
        picture's bytes; a repeat under the same id computes nothing again.

        Raises:
            ValueError: a sequence is longer or shorter than the pictures, or an id is not of
                the form ``[A-Za-z0-9._-]{1,128}``.
        """
        every = list(pictures)
        count = len(every)
        id_row = [None] * count if ids is None else ids
        label_row = [labels] * count if labels is None or isinstance(labels, str) else labels
        if metadata is None or isinstance(metadata, Mapping):
            metadata = [metadata] * count
        for what, row in (("ids", id_row), ("labels", label_row), ("metadata", metadata)):
            if len(row) != count:
                raise ValueError(f"{len(row)} {what} for {count} pictures; give one for each")
        for name in id_row:
            if name is not None:
                checked(name)
        uploads = (
            replace(read(picture), id=name, label=label, metadata=about)
            for picture, name, label, about in zip(every, id_row, label_row, metadata, strict=True)
        )

        def post(batch: list[Upload]) -> Reply:
            files = [upload.form_file for upload in batch]
            return self._connection.request("POST", "/images", files=files, data=form_fields(batch))

        return list(
            exchange.each(
                uploads,
                MAX_REQUEST_VIEWS,
                Added,
                lambda batch: exchange.ask(batch, Added, post),
            )
        )

    def get(self, id: str) -> StoredPicture:
        """Return what is stored under ``id``.

        Raises:
            NotFound: nothing is.
        """
        return self._connection.request("GET", path_of(id)).read(StoredPicture.from_json)

    def thumbnail(self, id: str) -> bytes:
        """Return the small JPEG kept for ``id``.

        Raises:
            NotFound: no picture has this id.
        """
        return self._connection.request("GET", f"{path_of(id)}/thumbnail").body

    def delete(self, id: str) -> None:
        """Delete the picture ``id``.

        Raises:
            NotFound: there is none; also where the answer to a first try was lost on its way.
        """
        self._connection.request("DELETE", path_of(id))

    def delete_where(self, *, label: str | None = None, ids: Iterable[str] | None = None) -> int:
        """Delete all pictures of a label, or these ids; return how many there were.

        Raises:
            ValueError: both are given, or neither.
        """
        if (label is None) == (ids is None):
            raise ValueError("give either label= or ids=, to say which pictures to delete")
        body = {"label": label} if ids is None else {"ids": [checked(name) for name in ids]}
        reply = self._connection.request("POST", "/images/delete", json=body)
        return reply.read(lambda answer: int(answer["deleted"]))

    # Last in the class: below it, ``list`` in an annotation would mean this method.
    def list(self, *, label: str | None = None, page_size: int = 100) -> Iterator[StoredPicture]:
        """Iterate over all stored pictures, or those of a label, asking for a page at a time."""
        cursor = None
        while True:
            params = _given(cursor=cursor, limit=page_size, label=label)
            body = self._connection.request("GET", "/images", params=params).read(dict)
            yield from (StoredPicture.from_json(image) for image in body["images"])
            cursor = body["next_cursor"]
            if cursor is None:
                return


def _given(**params: object) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
