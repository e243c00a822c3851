"""What a write changes: each method runs inside the writer's transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import apsw
import numpy as np

from alexnet_server.errors import PictureNotFound
from alexnet_server.index import conditions, rows
from alexnet_server.index.records import (
    Deleted,
    NewPicture,
    Record,
    Repeat,
    StoredPicture,
    Upserted,
)
from alexnet_server.index.search import Search
from alexnet_server.index.where import Where
from alexnet_server.index.writer import Writer


@dataclass
class Done:
    """What came of a change, and what is to be taken into memory once it is committed.

    ``added`` is what Search.added returned, ``removed`` are keys that were there before.
    """

    result: Any = None
    more: int = 0  # pictures
    added: Any = None
    removed: list[int] = field(default_factory=list)


class Changes:
    """The changes of one generation."""

    def __init__(self, generation: int, units: int, search: Search, writer: Writer) -> None:
        self._generation = generation
        self._units = units
        self._search = search
        self._writer = writer

    def upsert(self, connection: apsw.Connection, entries: Sequence[NewPicture | Repeat]) -> Done:
        """``result`` is a list of Upserted.  Raises PictureNotFound."""
        changing = _Changing(self, connection, [entry.id for entry in entries])
        upserted: list[Upserted] = []
        for entry in entries:
            before = changing.before(entry.id)
            if before is not None and before.content_sha256 == entry.content_sha256:
                after = _described(before, entry)
                changing.describe(after)
            elif isinstance(entry, NewPicture):
                after = _begun(entry)
                changing.put(Record(after, entry.thumbnail, entry.features))
            else:
                raise PictureNotFound(
                    f"picture {entry.id!r} was deleted or replaced meanwhile: send it again"
                )
            upserted.append(Upserted(after, created=before is None))
        return changing.end(upserted)

    def restore(self, connection: apsw.Connection, records: Sequence[Record]) -> Done:
        """``result`` is how many were written."""
        changing = _Changing(self, connection, [record.picture.id for record in records])
        written = 0
        for record in records:
            if changing.content(record.picture.id) != record.picture.content_sha256:
                changing.put(record)
                written += 1
        return changing.end(written)

    def delete(self, connection: apsw.Connection, ids: Sequence[str]) -> Done:
        """``result`` is how many there were."""
        changing = _Changing(self, connection, ids)
        keys = changing.stored_keys()
        changing.remove(keys)
        return changing.end(len(keys))

    def delete_where(self, connection: apsw.Connection, where: Where, limit: int) -> Done:
        """``result`` is a Deleted."""
        changing = _Changing(self, connection, ())
        text, values = conditions.sql(where, self._generation)
        select = f"SELECT picture, content_sha256 FROM pictures WHERE {text} ORDER BY id LIMIT ?"  # noqa: S608
        with closing(connection.execute(select, (*values, limit))) as found:
            deleted: list[Any] = found.fetchall()
        changing.remove([key for key, _ in deleted])
        left = connection.execute(f"SELECT count(*) FROM pictures WHERE {text}", values).get  # noqa: S608
        contents = frozenset(content for _, content in deleted)
        return changing.end(Deleted(len(deleted), int(left), contents))


class _Changing:
    """One change under way: what is new is written at its end, all in one go.

    ``ids`` are those that it may ask for.
    """

    def __init__(self, changes: Changes, connection: apsw.Connection, ids: Sequence[str]) -> None:
        self._changes = changes
        self._connection = connection
        self._stored = rows.known(connection, changes._generation, ids)
        self._new: dict[str, Record] = {}
        self._removed: list[int] = []

    def before(self, picture_id: str) -> StoredPicture | None:
        """The picture under an id.  Raises StorageFailed where it is damaged."""
        if picture_id in self._new:
            return self._new[picture_id].picture
        return rows.stored(self._stored[picture_id][1]) if picture_id in self._stored else None

    def content(self, picture_id: str) -> str | None:
        """The digest of the picture under an id, even of a damaged one."""
        if picture_id in self._new:
            return self._new[picture_id].picture.content_sha256
        return str(self._stored[picture_id][1][1]) if picture_id in self._stored else None

    def stored_keys(self) -> list[int]:
        """Of the ids that were there."""
        return [key for key, _ in self._stored.values()]

    def put(self, record: Record) -> None:
        """A picture in place of the one under its id."""
        units = self._changes._units
        if record.features.shape != (units,):
            raise ValueError(f"features of shape {record.features.shape} for {units} units")
        picture_id = record.picture.id
        if picture_id in self._stored:
            self.remove([self._stored.pop(picture_id)[0]])
        self._new.pop(picture_id, None)  # the last one said stands last, and has the largest key
        self._new[picture_id] = record

    def describe(self, picture: StoredPicture) -> None:
        """Another label and metadata of the picture under its id."""
        if picture.id in self._new:
            self._new[picture.id] = replace(self._new[picture.id], picture=picture)
            return
        key = self._stored[picture.id][0]
        self._stored[picture.id] = key, rows.describe(self._connection, key, picture)

    def remove(self, keys: Sequence[int]) -> None:
        if keys:
            rows.remove(self._connection, keys)
            self._removed += keys

    def end(self, result: object) -> Done:
        search = self._changes._search
        done = Done(result, len(self._new) - len(self._removed), None, self._removed)
        if self._removed:
            search.removed(self._connection, self._removed)
            self._changes._writer.erase_soon()
        if self._new:
            first = rows.last_key(self._connection) + 1
            records = dict(enumerate(self._new.values(), first))
            rows.insert(self._connection, self._changes._generation, records)
            features = np.stack([record.features for record in records.values()])  # [n, units]
            done.added = search.added(self._connection, list(records), features)
        return done


def _begun(entry: NewPicture) -> StoredPicture:
    return StoredPicture(
        entry.id,
        entry.content_sha256,
        entry.label,
        entry.metadata or {},
        datetime.now(UTC).isoformat(timespec="seconds"),
        entry.content_bytes,
    )


def _described(before: StoredPicture, said: NewPicture | Repeat) -> StoredPicture:
    return StoredPicture(
        before.id,
        before.content_sha256,
        before.label if said.label is None else said.label,
        before.metadata if said.metadata is None else said.metadata,
        before.created_at,
        before.content_bytes,
    )
