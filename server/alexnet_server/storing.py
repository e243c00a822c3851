"""Uploads into the index: what is already there is not computed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alexnet_pixels.errors import PictureError
from alexnet_pixels.thumbnail import thumbnail
from alexnet_server.call import Call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import BadRequest, PictureNotFound
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import NewPicture, Repeat, Upserted
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
    fresh: dict[tuple[str, str], Upload] = {}  # each picture once, however often it was sent
    for name, upload in zip(names, given, strict=True):
        if name not in fresh and not _is_stored(index, *name):
            fresh[name] = upload
    seen = look(served, deployed, call, list(fresh.values()), 1)
    looked = dict(zip(fresh, seen, strict=True))
    entries: list[NewPicture | Repeat] = []
    for name, said in zip(names, described, strict=True):
        one = looked.get(name)
        if one is None:
            entries.append(Repeat(*name, said.label, said.metadata))
        elif isinstance(one, Seen):
            small = thumbnail(one.pixels)
            entries.append(NewPicture(*name, said.label, said.metadata, small, one.features))
    call.require_wanted()  # the last moment at which nothing is stored yet
    with call.span("store"):
        done = iter(index.upsert(entries, call.left_s()))
    results = map(looked.get, names)
    return [one if isinstance(one, PictureError) else next(done) for one in results]


def _is_stored(index: PictureIndex, picture_id: str, digest: str) -> bool:
    try:
        return index.get(picture_id).content_sha256 == digest
    except PictureNotFound:
        return False
