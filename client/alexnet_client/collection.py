"""The collection of stored pictures: add, show, list, count, delete."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from alexnet_client import exchange
from alexnet_client.conditions import as_query, given
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
from alexnet_client.results import Added, ModelRef, StoredPicture

MAX_DELETED_IDS = 10_000  # that one request may name


class Collection:
    """The calls that change or show stored pictures; `alexnet_client.Client` adds the others."""

    _connection: Connection

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

    def delete_where(
        self,
        *,
        label: str | None = None,
        where: Mapping[str, Any] | None = None,
        ids: Iterable[str] | None = None,
    ) -> int:
        """Delete all pictures of a label that pass ``where``, or these ids; return how many.

        ``where`` is a filter on the metadata, as `list` takes it. Many are deleted in several
        requests, each of them whole.

        Raises:
            ValueError: ids are given with a label or a filter, or nothing is.
        """
        chosen = given(label=label, where=where)
        if bool(chosen) == (ids is not None):
            raise ValueError("give either ids=, or label= or where=, to say what to delete")
        if ids is None:
            return self._delete(chosen)
        names = [checked(name) for name in ids]
        steps = range(0, len(names), MAX_DELETED_IDS)
        return sum(self._delete({"ids": names[n : n + MAX_DELETED_IDS]}) for n in steps)

    def _delete(self, chosen: Mapping[str, Any]) -> int:
        deleted = 0
        while True:
            reply = self._connection.request("POST", "/images/delete", json=chosen)
            some, left = reply.read(lambda body: (int(body["deleted"]), int(body.get("left", 0))))
            deleted += some
            if not left or not some:
                return deleted

    def count(self, *, label: str | None = None, where: Mapping[str, Any] | None = None) -> int:
        """Return how many pictures are stored, of a label, or that pass ``where``."""
        params = given(limit=1, label=label, where=as_query(where))
        reply = self._connection.request("GET", "/images", params=params)
        return reply.read(lambda body: int(body["count"]))

    # Last in the class: below it, ``list`` in an annotation would mean this method.
    def list(
        self,
        *,
        label: str | None = None,
        where: Mapping[str, Any] | None = None,
        page_size: int = 100,
    ) -> Iterator[StoredPicture]:
        """Iterate over all stored pictures, or those of a label, asking for a page at a time.

        ``where`` is a filter on the metadata: ``{"brand": "acme", "size": ["S", "M"], "price":
        {"gte": 10, "lt": 20}}``, all of which must hold.
        """
        cursor = None
        while True:
            params = given(cursor=cursor, limit=page_size, label=label, where=as_query(where))
            body = self._connection.request("GET", "/images", params=params).read(dict)
            yield from (StoredPicture.from_json(image) for image in body["images"])
            cursor = body["next_cursor"]
            if cursor is None:
                return
