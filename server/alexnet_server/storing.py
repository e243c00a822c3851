"""Into the index and out of it: what is there is not computed again, files go with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alexnet_pixels.errors import PictureError
from alexnet_pixels.thumbnail import thumbnail
from alexnet_server.call import Call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import BadRequest
from alexnet_server.index import Index
from alexnet_server.index.records import Deleted, NewPicture, Repeat, Upserted
from alexnet_server.index.where import Where
from alexnet_server.parameters import identifier, label, metadata
from alexnet_server.served import Served
from alexnet_server.settings import Limits
from alexnet_server.sight import Seen, content_sha256, look
from alexnet_server.uploads import Submission, Upload


@dataclass(frozen=True)
class Description:
    """What the sender says of a picture; None is not said."""

    id: str | None
    label: str | None
    metadata: dict[str, Any] | None


def descriptions(submission: Submission, limits: Limits) -> list[Description]:
    """The text fields ``id``, ``label`` and ``metadata``, one description a picture.

    Each field comes once a picture, in their order; label and metadata may come once for all; an
    empty one is not said.  Raises BadRequest, BadIdentifier or BadMetadata.
    """
    count = len(submission.uploads)
    columns: dict[str, list[str | None]] = {}
    for name in ("id", "label", "metadata"):
        given: list[str | None] = [text or None for text in submission.fields.getlist(name)]
        if len(given) == 1 and name != "id":
            given *= count
        if given and len(given) != count:
            raise BadRequest(f"{len(given)} fields {name!r} for {count} pictures: give one each")
        columns[name] = given or [None] * count
    return [
        Description(
            None if one is None else identifier(one),
            None if two is None else label(two, limits),
            None if three is None else metadata(three, limits),
        )
        for one, two, three in zip(*columns.values(), strict=True)
    ]


def store(
    served: Served,
    deployed: Deployed,
    call: Call,
    given: list[Upload],
    described: list[Description],
) -> list[Upserted | PictureError]:
    """Store every good picture in one transaction; returns what came of each, in order.

    A picture whose id is stored with the same bytes is not decoded again: its label and metadata
    are replaced where given.  Raises StorageFailed, or what the engine raises; then nothing new
    is stored.
    """
    index = deployed.pictures()
    digests = [content_sha256(upload) for upload in given]
    names = [(said.id or digest, digest) for said, digest in zip(described, digests, strict=True)]
    known = index.known([picture_id for picture_id, _ in names])
    fresh: dict[tuple[str, str], Upload] = {}  # each picture once, however often it was sent
    for name, upload in zip(names, given, strict=True):
        if known.get(name[0]) != name[1]:
            fresh.setdefault(name, upload)
    seen = look(served, deployed, call, list(fresh.values()), 1)
    looked = dict(zip(fresh, seen, strict=True))
    entries = [
        _entry(name, looked.get(name), upload, said)
        for name, upload, said in zip(names, given, described, strict=True)
    ]
    good = [one for one in entries if not isinstance(one, PictureError)]
    call.require_wanted()  # the last moment at which nothing is stored yet
    with call.span("store"):
        files = {digest: upload.data for digest, upload in zip(digests, given, strict=True)}
        done = iter(_upsert(served, index, call, good, files))
        _drop_replaced(served, index, good, known)
    return [one if isinstance(one, PictureError) else next(done) for one in entries]


def delete_from(
    served: Served, index: Index, call: Call, ids: Sequence[str] = (), where: Where | None = None
) -> Deleted:
    """Delete pictures by id, or those that pass ``where``, and their own files.

    Raises StorageFailed, or ValueError where everything passes ``where``.
    """
    with call.span("store"):
        if where is not None:
            deleted = index.delete_where(where, wait_s=call.left_s())
        else:
            contents = frozenset(index.known(ids).values()) if served.originals else frozenset()
            deleted = Deleted(index.delete(ids, call.left_s()), 0, contents)
        if served.originals is not None:
            served.originals.drop(deleted.contents, index)
    return deleted


def _entry(
    name: tuple[str, str], seen: Seen | PictureError | None, upload: Upload, said: Description
) -> NewPicture | Repeat | PictureError:
    """What the index is told of a picture of that id and sha256; None was not looked at."""
    if isinstance(seen, PictureError):
        return seen
    if seen is None:
        return Repeat(*name, said.label, said.metadata)
    small, size = thumbnail(seen.pixels), len(upload.data)
    return NewPicture(*name, said.label, said.metadata, small, seen.features, size)


def _upsert(
    served: Served,
    index: Index,
    call: Call,
    entries: list[NewPicture | Repeat],
    files: dict[str, bytes],
) -> list[Upserted]:
    if not entries:
        return []  # nor is a place taken in the index
    if served.originals is None:
        return index.upsert(entries, call.left_s())
    kept = {entry.content_sha256: files[entry.content_sha256] for entry in entries}
    with served.originals.keeping(kept, index):
        return index.upsert(entries, call.left_s())


def _drop_replaced(
    served: Served, index: Index, entries: list[NewPicture | Repeat], known: dict[str, str]
) -> None:
    if served.originals is None:
        return
    now = {entry.id: entry.content_sha256 for entry in entries}
    # Also what came in this very request and was replaced by a later picture under its id.
    came = {entry.content_sha256 for entry in entries}
    served.originals.drop((came | set(known.values())) - set(now.values()), index)
