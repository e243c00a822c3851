"""An index file as it lies on the disk, read row by row however damaged it is."""

from __future__ import annotations

import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from alexnet_server.errors import IndexInUse, IndexMismatch, StorageFailed
from alexnet_server.index.database import APPLICATION_ID, SCHEMA_VERSION
from alexnet_server.index.records import Record
from alexnet_server.index.rows import FEATURES, Row, stored, text_crc32

_LOCKED_MS = 5_000
# What SQLite says of a page that is not one, or lies behind the end of the file.
_PAGE_FAULTS = (apsw.CorruptError, apsw.IOError, apsw.TooBigError)
_AT_ONCE = 200  # pictures, some 6 MB, between which the server's log may be written back
# Texts are taken as bytes: what is no UTF-8 any more could not be taken otherwise.
_ROWS = (
    "SELECT p.picture, p.generation, CAST(p.id AS BLOB), CAST(p.content_sha256 AS BLOB),"
    " p.content_bytes, CAST(p.label AS BLOB), CAST(p.metadata AS BLOB),"
    " CAST(p.created_at AS BLOB), p.crc32, f.features, f.crc32, t.thumbnail, t.crc32"
    " FROM pictures AS p LEFT JOIN features AS f USING (picture)"
    " LEFT JOIN thumbnails AS t USING (picture)"
)
_FOLLOWING = f"{_ROWS} WHERE p.picture > ? ORDER BY p.picture LIMIT {_AT_ONCE}"
_ONE = f"{_ROWS} WHERE p.picture = ?"
_IDS = (
    "SELECT picture, generation, CAST(id AS BLOB) FROM pictures"
    " INDEXED BY sqlite_autoindex_pictures_1 ORDER BY generation {order}, id {order}"
)
_LAST = (
    "SELECT max(picture) FROM pictures",
    "SELECT max(picture) FROM features",
    "SELECT max(picture) FROM thumbnails",
    "SELECT seq FROM sqlite_sequence WHERE name = 'pictures'",
)


@dataclass(frozen=True)
class Generation:
    """A row of ``generations``."""

    number: int
    model_digest: str
    layer: str
    views: int
    metric: str
    units: int
    created_at: str
    state: str
    coder: int | None
    report: str | None


@dataclass(frozen=True)
class Found:
    """A picture as it was read.

    ``damaged`` are those of texts, features and thumbnail that are not as they were written; where
    there are none, ``record`` is the whole of it.  ``id`` may be damaged itself.
    """

    key: int
    generation: int
    id: str
    damaged: tuple[str, ...]
    record: Record | None


@dataclass(frozen=True)
class Unreadable:
    """A picture some page of which SQLite cannot read; None where nothing is known of it."""

    key: int
    generation: int | None
    id: str | None


@contextmanager
def open_file(path: Path, *, alone: bool = False) -> Iterator[apsw.Connection]:
    """A connection to an index file: to read it while it is in use, or ``alone`` to change it.

    Raises IndexMismatch where it is not an index of this version, IndexInUse where it was to be
    alone and is not, StorageFailed where SQLite cannot read it at all.
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(_LOCKED_MS)
            # Else SQLite reads nothing at all of a file that was cut short.
            connection.pragma("writable_schema", True)
            if alone:
                _exclude_others(connection, path)
            _require_version(connection, path)
            yield connection
        finally:
            connection.close()
    except apsw.NotADBError as error:
        raise IndexMismatch(f"{path} is not an SQLite file, or its head is damaged") from error
    except (
        apsw.Error,
        UnicodeDecodeError,
    ) as error:  # the latter of a text whose bits were flipped
        raise StorageFailed(f"{path}: {error}; where it is damaged, restore a backup") from error


def _exclude_others(connection: apsw.Connection, path: Path) -> None:
    # Whoever has opened a file in WAL mode keeps a shared lock on it, idle or not.
    connection.pragma("locking_mode", "EXCLUSIVE")
    try:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except apsw.BusyError as error:
        raise IndexInUse(f"{path} is in use: stop the server first") from error


def _require_version(connection: apsw.Connection, path: Path) -> None:
    found = connection.pragma("application_id"), connection.pragma("user_version")
    if found != (APPLICATION_ID, SCHEMA_VERSION):
        raise IndexMismatch(
            f"{path} is not an index of version {SCHEMA_VERSION} (application {found[0]:#x}, "
            f"version {found[1]}); one of version 1 is brought to it by alexnet-server serve"
        )


def generations(connection: apsw.Connection) -> dict[int, Generation]:
    """All generations, by number."""
    select = (
        "SELECT generation, model_digest, layer, views, metric, units, created_at, state, coder,"
        " report FROM generations ORDER BY generation"
    )
    return {row[0]: Generation(*row) for row in connection.execute(select)}


def pictures(connection: apsw.Connection) -> Iterator[list[Found | Unreadable]]:
    """Every picture, some hundred at a time, in the order in which they were stored.

    Each list is one view of the file: pictures may come and go between them.  A damaged page may
    hide some without a word: see ``overlooked``.  Raises apsw.Error where no table can be read.
    """
    units = {number: one.units for number, one in generations(connection).items()}
    last, known = _last(connection), _Known(connection)
    after = 0
    while after < last:
        try:
            rows: list[Row] = connection.execute(_FOLLOWING, (after,)).fetchall()
            if any(row[0] <= after for row in rows):
                raise apsw.CorruptError  # out of order: it would never end
        except _PAGE_FAULTS:
            keys = range(after + 1, min(after + _AT_ONCE, last) + 1)
            yield [one for key in keys for one in _one(connection, key, units, known)]
            after = keys[-1]
        else:
            if not rows:
                return
            yield [_found(row, units) for row in rows]
            after = max(row[0] for row in rows)


def overlooked(connection: apsw.Connection, seen: Container[int]) -> list[Unreadable]:
    """Pictures that the table's own index knows, and whose keys are not among those ``seen``."""
    ids = _Known(connection).ids
    return [Unreadable(key, *ids[key]) for key in sorted(ids) if key not in seen]


class _Known:
    """Ids by key, as the table's own index has them: asked where the table cannot be read."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._is_whole = True

    @cached_property
    def ids(self) -> dict[int, tuple[int, str]]:
        """Generation and id by key, from both ends, as far as they can be read."""
        found: dict[int, tuple[int, str]] = {}
        for order in ("ASC", "DESC"):
            self._read(order, found)
        return found

    def unreadable(self, key: int) -> list[Found | Unreadable]:
        """The picture of ``key``; none where there never was one, or it was deleted."""
        if key in self.ids:
            return [Unreadable(key, *self.ids[key])]
        return [] if self._is_whole else [Unreadable(key, None, None)]

    def _read(self, order: str, found: dict[int, tuple[int, str]]) -> None:
        try:
            for key, generation, picture_id in self._connection.execute(_IDS.format(order=order)):
                found[key] = generation, _shown(picture_id)
        except _PAGE_FAULTS:
            self._is_whole = False


def _one(
    connection: apsw.Connection, key: int, units: dict[int, int], known: _Known
) -> list[Found | Unreadable]:
    """The picture of a key, if there is one."""
    try:
        return [_found(row, units) for row in connection.execute(_ONE, (key,)).fetchall()]
    except _PAGE_FAULTS:
        return known.unreadable(key)


def _last(connection: apsw.Connection) -> int:
    """The largest key there may be.  Raises apsw.Error where no table can be read."""
    found: list[int] = []
    failed: apsw.Error | None = None
    for select in _LAST:
        try:
            rows: list[Row] = connection.execute(select).fetchall()
            found += [row[0] or 0 for row in rows]
        except _PAGE_FAULTS as error:
            failed = error
    if not found and failed is not None:
        raise failed
    return max(found, default=0)


def _found(row: Row, units: dict[int, int]) -> Found:
    key, generation, *texts, text_crc, features, features_crc, thumbnail, thumbnail_crc = row
    read = _read(texts)
    damaged = []
    if read is None or generation not in units or text_crc32(*read) != text_crc:
        damaged.append("texts")
    if not _is_sound(features, features_crc, units.get(generation)):
        damaged.append("features")
    if not _is_sound(thumbnail, thumbnail_crc):
        damaged.append("thumbnail")
    if read is None or damaged:
        return Found(key, generation, _shown(texts[0]), tuple(damaged), None)
    values = np.frombuffer(features, FEATURES)
    return Found(key, generation, read[0], (), Record(stored((*read, text_crc)), thumbnail, values))


def _read(texts: list[Any]) -> list[Any] | None:
    """Texts from their bytes, None where they are no UTF-8."""
    try:
        return [each.decode() if isinstance(each, bytes) else each for each in texts]
    except UnicodeDecodeError:
        return None


def _is_sound(blob: object, crc32: object, units: int | None = None) -> bool:
    if not isinstance(blob, bytes) or zlib.crc32(blob) != crc32:
        return False
    return units is None or len(blob) == units * FEATURES.itemsize


def _shown(text: object) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else repr(text)
