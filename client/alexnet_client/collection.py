"""The collection of stored pictures: add, show, list, count, delete."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from alexnet_client import exchange
from alexnet_client.calls import call, page_call, picture_call
from alexnet_client.conditions import as_query, given
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
    uploads_of,
)
from alexnet_client.results import Added, ModelRef, Page, StoredPicture
from alexnet_client.steps import Steps, block, send
from alexnet_client.steps import read as read_reply

MAX_DELETED_IDS = 10_000  # that one request may name


class Collection:
    """The calls that change or show stored pictures; `alexnet_client.Client` adds the others."""

    @picture_call
    def add(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        id: str | None = None,
        label: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Steps[list[Added]]:
        """Upsert a picture under ``id`` (default: the sha256 of its bytes), or several.

        Several share ``label`` and ``metadata``; `add_many` takes them one by one.

        Raises:
            ValueError: the id is not of the form ``[A-Za-z0-9._-]{1,128}``, or is given for
                several pictures.
        """
        if not is_one(pictures):
            if id is not None:
                raise ValueError("one id was given for several pictures; add_many takes ids=[...]")
            uploads = (
                replace(upload, label=label, metadata=metadata)
                for upload in uploads_of(several(pictures))
            )
            return (yield from _stored(uploads))
        (picture,) = several(pictures)
        upload = yield from block(lambda: _read_with_id(picture, id))
        return [(yield from _put(replace(upload, label=label, metadata=metadata)))]

    @call
    def add_many(
        self,
        pictures: Iterable[Picture],
        *,
        ids: Sequence[str | None] | None = None,
        labels: str | Sequence[str | None] | None = None,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
    ) -> Steps[list[Added]]:
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
        return (yield from _stored(uploads))

    @call
    def get(self, id: str) -> Steps[StoredPicture]:
        """Return what is stored under ``id``.

        Raises:
            NotFound: nothing is.
        """
        return (yield from send("GET", path_of(id))).read(StoredPicture.from_json)

    @call
    def thumbnail(self, id: str) -> Steps[bytes]:
        """Return the small JPEG kept for ``id``.

        Raises:
            NotFound: no picture has this id.
        """
        return (yield from send("GET", f"{path_of(id)}/thumbnail")).body

    @call
    def delete(self, id: str) -> Steps[None]:
        """Delete the picture ``id``.

        Raises:
            NotFound: there is none; also where the answer to a first try was lost on its way.
        """
        yield from send("DELETE", path_of(id))

    @call
    def delete_where(
        self,
        *,
        label: str | None = None,
        where: Mapping[str, Any] | None = None,
        ids: Iterable[str] | None = None,
    ) -> Steps[int]:
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
            return (yield from _deleted(chosen))
        names = [checked(name) for name in ids]
        deleted = 0
        for start in range(0, len(names), MAX_DELETED_IDS):
            deleted += yield from _deleted({"ids": names[start : start + MAX_DELETED_IDS]})
        return deleted

    @call
    def count(
        self, *, label: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Steps[int]:
        """Return how many pictures are stored, of a label, or that pass ``where``."""
        params = given(limit=1, label=label, where=as_query(where))
        reply = yield from send("GET", "/images", params=params)
        return reply.read(lambda body: int(body["count"]))

    # Last in the class: below it, ``list`` in an annotation would mean this method.
    @page_call
    def list(
        self,
        cursor: str | None,
        *,
        label: str | None = None,
        where: Mapping[str, Any] | None = None,
        page_size: int = 100,
    ) -> Steps[Page[StoredPicture]]:
        """Iterate over all stored pictures, or those of a label, asking for a page at a time.

        ``where`` is a filter on the metadata: ``{"brand": "acme", "size": ["S", "M"], "price":
        {"gte": 10, "lt": 20}}``, all of which must hold.
        """
        params = given(cursor=cursor, limit=page_size, label=label, where=as_query(where))
        reply = yield from send("GET", "/images", params=params)
        return (yield from read_reply(reply, _page))


def _read_with_id(picture: Picture, id: str | None) -> Upload:
    upload = read(picture)
    return replace(upload, id=id or hashlib.sha256(upload.content).hexdigest())


def _put(upload: Upload) -> Steps[Added]:
    if upload.error is not None:
        raise upload.error
    path = path_of(str(upload.id))
    form = form_fields([replace(upload, id=None)])  # the path has it
    try:
        reply = yield from send("PUT", path, files=[upload.form_file], data=form)
    except BadPicture as error:
        error.filename = upload.filename
        raise
    return reply.read(
        lambda body: Added.from_item(upload.filename, body, ModelRef.from_json(body["model"]))
    )


def _stored(uploads: Iterable[Upload]) -> Steps[list[Added]]:
    def ask(batch: list[Upload]) -> Steps[list[Added]]:
        files = [upload.form_file for upload in batch]
        reply = yield from send("POST", "/images", files=files, data=form_fields(batch))
        return (yield from exchange.results(batch, Added, reply))

    return (yield from exchange.each(uploads, MAX_REQUEST_VIEWS, Added, ask))


def _deleted(chosen: Mapping[str, Any]) -> Steps[int]:
    deleted = 0
    while True:
        reply = yield from send("POST", "/images/delete", json=chosen)
        some, left = reply.read(lambda body: (int(body["deleted"]), int(body.get("left", 0))))
        deleted += some
        if not left or not some:
            return deleted


def _page(body: Mapping[str, Any]) -> Page[StoredPicture]:
    images = tuple(StoredPicture.from_json(image) for image in body["images"])
    return Page(images, body["next_cursor"])
