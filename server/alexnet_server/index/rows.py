"""The rows of a picture: its texts, its features and its thumbnail, each with its CRC-32."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Literal

import apsw
import numpy as np

from alexnet_server.engine import Values
from alexnet_server.errors import StorageFailed
from alexnet_server.index.conditions import Bound
from alexnet_server.index.records import Placed, Record, StoredPicture

# SQL is put together from constant text alone; values are always bound.
COLUMNS = "id, content_sha256, content_bytes, label, metadata, created_at, crc32"
FEATURES = np.dtype("<f4")  # the file is the same on every machine
_RECORD = (
    "SELECT id, content_sha256, content_bytes, label, metadata, created_at, pictures.crc32,"
    " features, features.crc32, thumbnail, thumbnails.crc32"
    " FROM pictures LEFT JOIN features USING (picture) LEFT JOIN thumbnails USING (picture)"
    " WHERE generation = ? AND id > ? ORDER BY id LIMIT ?"
)
_RECORDS_BYTES = 16 * 1024 * 1024
_PAGE_BYTES = 4 * 1024 * 1024  # of metadata; as Python objects it is several times as much
Row = tuple[Any, ...]
Blob = Literal["features", "thumbnail"]
_log = logging.getLogger(__name__)


def text_crc32(*texts: str | int | None) -> int:
    """CRC-32 of a picture's COLUMNS but the last, joined as a JSON array."""
    return zlib.crc32(json.dumps(texts, separators=(",", ":")).encode())


def stored(row: Row) -> StoredPicture:
    """The picture that COLUMNS tell.  Raises StorageFailed where they are damaged."""
    *texts, crc32 = row
    picture_id, content_sha256, content_bytes, label, metadata, created_at = texts
    if text_crc32(*texts) != crc32:
        raise damaged(f"the texts of picture {picture_id!r}")
    return StoredPicture(
        picture_id, content_sha256, label, json.loads(metadata), created_at, content_bytes
    )


def sound(blob: object, crc32: object, what: str) -> bytes:
    """``blob``, which is as it was written.  Raises StorageFailed; ``what`` is for the log."""
    if not isinstance(blob, bytes) or zlib.crc32(blob) != crc32:
        raise damaged(what)
    return blob


def damaged(what: str) -> StorageFailed:
    """The refusal of a row that is not as it was written; the log alone says which."""
    _log.error("the index is damaged: %s", what)
    return StorageFailed("the index is damaged: run alexnet-server index check")


def as_features(blob: bytes, units: int, what: str) -> Values:
    """Features float32 [units] of a sound blob.  Raises StorageFailed on another length."""
    if len(blob) != units * FEATURES.itemsize:
        raise damaged(f"{what}: {len(blob)} bytes for {units} units")
    return np.frombuffer(blob, FEATURES)


def dump(metadata: dict[str, Any]) -> str:
    """Metadata as it is stored."""
    return json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def one(connection: apsw.Connection, generation: int, picture_id: str) -> tuple[int, Row] | None:
    """The key of a picture and its COLUMNS, or None."""
    return known(connection, generation, [picture_id]).get(picture_id)


def known(
    connection: apsw.Connection, generation: int, ids: Sequence[str]
) -> dict[str, tuple[int, Row]]:
    """Keys and COLUMNS of those of ``ids`` that are there, by id."""
    if not ids:
        return {}
    select = f"SELECT picture, {COLUMNS} FROM pictures WHERE generation = ? AND id IN carray(?)"  # noqa: S608
    with closing(connection.execute(select, (generation, apsw.carray(tuple(ids))))) as found:
        return {row[0]: (int(key), row) for key, *row in found}


def contents(connection: apsw.Connection, digests: Sequence[str]) -> set[str]:
    """Those of the ``content_sha256`` given that a picture has."""
    if not digests:
        return set()
    select = "SELECT DISTINCT content_sha256 FROM pictures WHERE content_sha256 IN carray(?)"
    with closing(connection.execute(select, (apsw.carray(tuple(digests)),))) as found:
        return {digest for (digest,) in found}


def touch(connection: apsw.Connection, generation: int, pictures: Sequence[Placed]) -> None:
    """Have the system read the pages of the indexes where these ids and digests stand.

    Digests stand all over an index: the one thread that writes would wait for the disk at each.
    """
    known(connection, generation, [one.id for one in pictures])
    contents(connection, [one.content_sha256 for one in pictures])


def last_key(connection: apsw.Connection) -> int:
    """The largest key that any picture ever had, 0 where there was none."""
    select = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'pictures'"
    return int(connection.execute(select).get)


def blob(connection: apsw.Connection, column: Blob, key: int) -> bytes:
    """A picture's features or thumbnail.  Raises StorageFailed where it is damaged or missing."""
    table = {"features": "features", "thumbnail": "thumbnails"}[column]
    found = connection.execute(
        f"SELECT {column}, crc32 FROM {table} WHERE picture = ?",  # noqa: S608
        (key,),
    ).fetchone()
    content, crc32 = found or (None, None)
    return sound(content, crc32, f"the {column} of picture {key}")


def following(
    connection: apsw.Connection, bound: Bound, after: str, limit: int
) -> tuple[list[Row], bool]:
    """COLUMNS after the id ``after``, in order of id, and whether they are the last that pass.

    They are up to ``limit``, and none after 4 MiB of metadata; ``bound`` is of ``conditions.sql``.
    """
    text, values = bound
    select = f"SELECT {COLUMNS} FROM pictures WHERE {text} AND id > ? ORDER BY id"  # noqa: S608
    first: list[Row] = []
    metadata_bytes = 0
    with closing(connection.execute(select, (*values, after))) as found:
        for row in found:
            first.append(row)
            metadata_bytes += len(row[4].encode())
            if len(first) == limit or metadata_bytes > _PAGE_BYTES:
                break
        return first, next(found, None) is None


def records(
    connection: apsw.Connection, generation: int, units: int, after: str, limit: int
) -> list[Record]:
    """Whole pictures after the id ``after``, in order of id; none after 16 MiB of them.

    Raises StorageFailed where one is damaged.
    """
    whole: list[Record] = []
    used_bytes = 0
    with closing(connection.execute(_RECORD, (generation, after, limit))) as found:
        for *texts, features, features_crc32, thumbnail, thumbnail_crc32 in found:
            picture = stored(tuple(texts))
            what = f"of picture {picture.id!r}"
            content = sound(features, features_crc32, f"the features {what}")
            small = sound(thumbnail, thumbnail_crc32, f"the thumbnail {what}")
            values = as_features(content, units, f"the features {what}")
            whole.append(Record(picture, small, values))
            used_bytes += len(content) + len(small) + len(str(texts[4]))
            if used_bytes > _RECORDS_BYTES:
                break
    return whole


def insert(connection: apsw.Connection, generation: int, records: Mapping[int, Record]) -> None:
    """Write pictures whose ids are not there, by keys larger than all before.

    One statement a table: as one a picture, SQLite let go of Python's lock so often that writers
    stood in line behind everybody who searched.
    """
    table = []
    for key, record in records.items():
        texts = _texts(record.picture)
        table.append((key, *texts, text_crc32(*texts)))
    connection.execute(
        f"INSERT INTO pictures (generation, picture, {COLUMNS})"  # noqa: S608
        " SELECT ?, value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,"
        " value->>7 FROM json_each(?)",
        (generation, json.dumps(table, ensure_ascii=False)),
    )
    features = {key: record.features.astype(FEATURES).tobytes() for key, record in records.items()}
    _insert_blobs(connection, "features", features)
    _insert_blobs(connection, "thumbnails", {key: one.thumbnail for key, one in records.items()})


def _insert_blobs(connection: apsw.Connection, table: str, blobs: Mapping[int, bytes]) -> None:
    places, start = [], 1  # SQL counts from 1
    for key, content in blobs.items():
        places.append((key, start, len(content), zlib.crc32(content)))
        start += len(content)
    connection.execute(
        f"INSERT INTO {table}"  # noqa: S608
        " SELECT value->>0, substr(?, value->>1, value->>2), value->>3 FROM json_each(?)",
        (b"".join(blobs.values()), json.dumps(places)),
    )


def _texts(picture: StoredPicture) -> tuple[str | int | None, ...]:
    """COLUMNS of a picture, but for the CRC."""
    return (
        picture.id,
        picture.content_sha256,
        picture.content_bytes,
        picture.label,
        dump(picture.metadata),
        picture.created_at,
    )


def describe(connection: apsw.Connection, key: int, picture: StoredPicture) -> Row:
    """Write another label and metadata of a picture that is there; returns its COLUMNS."""
    texts = _texts(picture)
    crc32 = text_crc32(*texts)
    connection.execute(
        "UPDATE pictures SET label = ?, metadata = ?, crc32 = ? WHERE picture = ?",
        (*texts[3:5], crc32, key),
    )
    return (*texts, crc32)


def remove(connection: apsw.Connection, keys: Sequence[int]) -> None:
    """Delete pictures but for their codes."""
    bound = [(key,) for key in keys]
    for table in ("features", "thumbnails", "pictures"):
        connection.executemany(f"DELETE FROM {table} WHERE picture = ?", bound)  # noqa: S608
