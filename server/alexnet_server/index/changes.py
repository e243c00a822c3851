"""What a write changes: each method runs inside the writer's transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import apsw
import numpy as np

from alexnet_server.engine import Values
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

    def upsert(self, connection: apsw.Connection, entries: Iterable[NewPicture | Repeat]) -> Done:
        """``result`` is a list of Upserted.  Raises PictureNotFound."""
        changing = _Changing(self, connection)
        upserted: list[Upserted] = []
        for entry in entries:
            known = rows.one(connection, self._generation, entry.id)
            before = None if known is None else rows.stored(known[1])
            is_same = before is not None and before.content_sha256 == entry.content_sha256
            if known is not None and before is not None and is_same:
                after = _described(before, entry)
                rows.describe(connection, known[0], after)
            elif isinstance(entry, NewPicture):
                after = _begun(entry)
                changing.put(known, Record(after, entry.thumbnail, entry.features))
            else:
                raise PictureNotFound(
                    f"picture {entry.id!r} was deleted or replaced meanwhile: send it again"
                )
            upserted.append(Upserted(after, created=known is None))
        return changing.end(upserted)

    def restore(self, connection: apsw.Connection, records: Iterable[Record]) -> Done:
        """``result`` is how many were written."""
        changing = _Changing(self, connection)
        written = 0
        for record in records:
            known = rows.one(connection, self._generation, record.picture.id)
            if known is None or known[1][1] != record.picture.content_sha256:
                changing.put(known, record)
                written += 1
        return changing.end(written)

    def delete(self, connection: apsw.Connection, ids: Iterable[str]) -> Done:
        """``result`` is how many there were."""
        changing = _Changing(self, connection)
        found = (rows.one(connection, self._generation, picture_id) for picture_id in set(ids))
        keys = [one[0] for one in found if one is not None]
        changing.remove(keys)
        return changing.end(len(keys))

    def delete_where(self, connection: apsw.Connection, where: Where, limit: int) -> Done:
        """``result`` is a Deleted."""
        changing = _Changing(self, connection)
        text, values = conditions.sql(where, self._generation)
        select = f"SELECT picture, content_sha256 FROM pictures WHERE {text} ORDER BY id LIMIT ?"  # noqa: S608
        with closing(connection.execute(select, (*values, limit))) as found:
            deleted: list[Any] = found.fetchall()
        changing.remove([key for key, _ in deleted])
        left = connection.execute(f"SELECT count(*) FROM pictures WHERE {text}", values).get  # noqa: S608
        contents = frozenset(content for _, content in deleted)
        return changing.end(Deleted(len(deleted), int(left), contents))


class _Changing:
    """One change under way: rows are written at once, codes at its end, all in one go."""

    def __init__(self, changes: Changes, connection: apsw.Connection) -> None:
        self._changes = changes
        self._connection = connection
        self._added: dict[int, Values] = {}
        self._removed: list[int] = []
        self._more = 0

    def put(self, known: tuple[int, rows.Row] | None, record: Record) -> None:
        """Write a picture in place of the one ``known`` under its id."""
        units = self._changes._units
        if record.features.shape != (units,):
            raise ValueError(f"features of shape {record.features.shape} for {units} units")
        if known is not None:
            self.remove([known[0]])
        key = rows.insert(self._connection, self._changes._generation, record)
        self._added[key] = record.features
        self._more += 1

    def remove(self, keys: Sequence[int]) -> None:
        if not keys:
            return
        rows.remove(self._connection, keys)
        self._more -= len(keys)
        self._removed += [key for key in keys if self._added.pop(key, None) is None]

    def end(self, result: object) -> Done:
        search = self._changes._search
        done = Done(result, self._more, None, self._removed)
        if self._removed:
            search.removed(self._connection, self._removed)
            self._changes._writer.erase_soon()
        if self._added:
            features = np.stack(list(self._added.values()))  # [n, units]
            done.added = search.added(self._connection, list(self._added), features)
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
