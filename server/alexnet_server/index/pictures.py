"""The pictures of one generation: stored, listed, deleted, and searched by distance."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import numpy.typing as npt

from alexnet_server.engine import Values
from alexnet_server.errors import PictureNotFound
from alexnet_server.index.database import Database
from alexnet_server.index.generation import find_generation
from alexnet_server.index.nearest import Candidates
from alexnet_server.index.records import (
    Binding,
    Neighbor,
    NewPicture,
    Page,
    Repeat,
    StoredPicture,
    Upserted,
)

# SQL is put together from constant text alone; values are always bound.
_COLUMNS = "id, content_sha256, label, metadata, created_at"
_STORED = "<f4"  # the file is the same on every machine
_SCAN_ROWS = 512  # 8 MiB of features at a time
_PAGE_BYTES = 4 * 1024 * 1024  # of metadata; as Python objects it is several times as much


class PictureIndex:
    """The generation of an index file that one model made."""

    def __init__(self, database: Database, binding: Binding) -> None:
        """Find the binding's generation, or begin an empty one.  Raises IndexMismatch."""
        self.binding = binding
        self._database = database
        self._generation = find_generation(database, binding)

    def upsert(
        self, entries: list[NewPicture | Repeat], wait_s: float = math.inf
    ) -> list[Upserted]:
        """Store pictures in one transaction; on return they are durable.

        A picture stored with the same bytes keeps its features; its label and metadata are
        replaced where they are given.  ``wait_s`` as for Database.writing.

        Raises StorageFailed, or PictureNotFound where a repeated picture was deleted or replaced
        meanwhile; then nothing of the list is stored.
        """
        done = []
        with self._database.writing(wait_s) as connection:
            for entry in entries:
                known = _row(connection, "content_sha256", self._generation, entry.id)
                if isinstance(entry, NewPicture) and known != (entry.content_sha256,):
                    self._insert(connection, entry)
                elif known == (entry.content_sha256,):
                    self._describe_again(connection, entry)
                else:
                    raise PictureNotFound(
                        f"picture {entry.id!r} was deleted or replaced meanwhile: send it again"
                    )
                row = _row(connection, _COLUMNS, self._generation, entry.id)
                assert row is not None
                done.append(Upserted(_stored(row), created=known is None))
        return done

    def _insert(self, connection: apsw.Connection, picture: NewPicture) -> None:
        connection.execute(
            "INSERT INTO pictures (generation, id, content_sha256, label, metadata,"
            " created_at, thumbnail, features) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (generation, id) DO UPDATE SET"
            " content_sha256 = excluded.content_sha256, label = excluded.label,"
            " metadata = excluded.metadata, created_at = excluded.created_at,"
            " thumbnail = excluded.thumbnail, features = excluded.features",
            (
                self._generation,
                picture.id,
                picture.content_sha256,
                picture.label,
                _dump(picture.metadata or {}),
                datetime.now(UTC).isoformat(timespec="seconds"),
                picture.thumbnail,
                picture.features.astype(_STORED).tobytes(),
            ),
        )

    def _describe_again(self, connection: apsw.Connection, repeat: NewPicture | Repeat) -> None:
        text = None if repeat.metadata is None else _dump(repeat.metadata)
        connection.execute(
            "UPDATE pictures SET label = coalesce(?, label), metadata = coalesce(?, metadata)"
            " WHERE generation = ? AND id = ?",
            (repeat.label, text, self._generation, repeat.id),
        )

    def get(self, picture_id: str) -> StoredPicture:
        """One picture.  Raises PictureNotFound."""
        return _stored(self._one(_COLUMNS, picture_id))

    def thumbnail(self, picture_id: str) -> bytes:
        """JPEG bytes.  Raises PictureNotFound."""
        return bytes(self._one("thumbnail", picture_id)[0])

    def features(self, picture_id: str) -> Values:
        """Features as they were stored, float32 [units].  Raises PictureNotFound."""
        return np.frombuffer(self._one("features", picture_id)[0], _STORED)

    def count(self) -> int:
        """Number of pictures."""
        where, values = self._where(None)
        with self._database.reading() as connection:
            return int(
                connection.execute(f"SELECT count(*) FROM pictures WHERE {where}", values).get  # noqa: S608
            )

    def page(self, after: str, limit: int, label: str | None = None) -> Page:
        """Up to ``limit`` pictures whose id comes after ``after``, in order of id.

        Fewer where their metadata is more than 4 MiB of UTF-8; at least one where there is one.
        """
        where, values = self._where(label)
        with self._database.reading() as connection:
            select = f"SELECT {_COLUMNS} FROM pictures WHERE {where} AND id > ? ORDER BY id"  # noqa: S608
            with closing(connection.execute(select, (*values, after))) as found:
                rows = _first(limit, found)
                is_last = next(found, None) is None
            count = connection.execute(
                f"SELECT count(*) FROM pictures WHERE {where}",  # noqa: S608
                values,
            ).get
        pictures = tuple(_stored(row) for row in rows)
        return Page(pictures, None if is_last else pictures[-1].id, count)

    def delete(self, picture_ids: list[str], wait_s: float = math.inf) -> int:
        """Delete by id; returns how many there were.  ``wait_s`` as for Database.writing."""
        with self._database.writing(wait_s) as connection:
            before = connection.total_changes()
            connection.executemany(
                "DELETE FROM pictures WHERE generation = ? AND id = ?",
                [(self._generation, picture_id) for picture_id in picture_ids],
            )
            return connection.total_changes() - before

    def delete_label(self, label: str, wait_s: float = math.inf) -> int:
        """Delete every picture of a label; returns how many there were."""
        with self._database.writing(wait_s) as connection:
            before = connection.total_changes()
            connection.execute(
                "DELETE FROM pictures WHERE generation = ? AND label = ?",
                (self._generation, label),
            )
            return connection.total_changes() - before

    def search(
        self,
        features: Values,
        k: int,
        *,
        label: str | None = None,
        max_distance: float | None = None,
        excluding: str | None = None,
        require_wanted: Callable[[], None] = lambda: None,
    ) -> list[Neighbor]:
        """The ``k`` nearest pictures, nearest first, by exact Euclidean distance.

        ``features`` float32 [units]; ``excluding`` leaves out one id.  Equal distances stand in
        the order in which the pictures were first stored.  ``require_wanted`` is asked again and
        again, and what it raises ends the search.
        """
        candidates = Candidates(features, k, max_distance)
        with self._database.reading() as connection:
            # A statement that is left open would show the next reader what this one saw.
            with closing(connection.execute(*self._scan(label, excluding))) as rows:
                while chunk := list(islice(rows, _SCAN_ROWS)):
                    require_wanted()
                    keys = np.array([picture for picture, _ in chunk])
                    candidates.offer(keys, _matrix(chunk, len(features)))
            found = []
            for picture, distance in candidates.nearest():
                (row,) = connection.execute(
                    f"SELECT {_COLUMNS} FROM pictures WHERE picture = ?",  # noqa: S608
                    (picture,),
                )
                stored = _stored(row)
                found.append(Neighbor(stored.id, distance, stored.label, stored.metadata))
        return found

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _where(self, label: str | None) -> tuple[str, tuple[Any, ...]]:
        if label is None:
            return "generation = ?", (self._generation,)
        return "generation = ? AND label = ?", (self._generation, label)

    def _scan(self, label: str | None, excluding: str | None) -> tuple[str, tuple[Any, ...]]:
        where, values = self._where(label)
        if label is None:
            # "+" keeps SQLite from the index on (generation, id): for nearly every row it would
            # only fetch them in another order than they lie in the file.
            where = f"+{where}"
        select = f"SELECT picture, features FROM pictures WHERE {where} AND id IS NOT ?"  # noqa: S608
        return select, (*values, excluding)

    def _one(self, columns: str, picture_id: str) -> tuple[Any, ...]:
        with self._database.reading() as connection:
            row = _row(connection, columns, self._generation, picture_id)
        if row is None:
            raise PictureNotFound(f"no picture {picture_id!r} in the index")
        return row


def open_index(path: Path, binding: Binding) -> PictureIndex:
    """Open an index file for one model.  Raises IndexMismatch or StorageFailed."""
    return PictureIndex(Database(path), binding)


def _row(
    connection: apsw.Connection, columns: str, generation: int, picture_id: str
) -> tuple[Any, ...] | None:
    return connection.execute(
        f"SELECT {columns} FROM pictures WHERE generation = ? AND id = ?",  # noqa: S608
        (generation, picture_id),
    ).fetchone()


def _first(limit: int, found: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Up to ``limit`` rows of ``_COLUMNS``, and none after ``_PAGE_BYTES`` of metadata."""
    rows: list[tuple[Any, ...]] = []
    metadata_bytes = 0
    for row in found:
        rows.append(row)
        metadata_bytes += len(row[3].encode())
        if len(rows) == limit or metadata_bytes > _PAGE_BYTES:
            break
    return rows


def _matrix(chunk: list[tuple[Any, ...]], units: int) -> npt.NDArray[np.float32]:
    joined = b"".join(features for _, features in chunk)
    return np.frombuffer(joined, _STORED).reshape(len(chunk), units)  # [rows, units]


def _stored(row: tuple[Any, ...]) -> StoredPicture:
    picture_id, content_sha256, label, metadata, created_at = row
    return StoredPicture(picture_id, content_sha256, label, json.loads(metadata), created_at)


def _dump(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
