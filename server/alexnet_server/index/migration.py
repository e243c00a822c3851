"""An index file of version 1 becomes one of version 2, in one transaction, with a backup kept."""

from __future__ import annotations

import logging
import shutil
import time
import zlib
from contextlib import closing
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from alexnet_server.errors import StorageFailed
from alexnet_server.index.file_copy import copy_pages, name_durably, remove
from alexnet_server.index.rows import text_crc32

_ROOM = 4  # times the file: its backup, what it grows by, and both tables in SQLite's log
_LOCKED_MS = 60_000  # another process may be doing the same
_TABLES = ("generations", "pictures")
_COPY = (
    "INSERT INTO generations (generation, model_digest, layer, views, metric, units, created_at)"
    " SELECT generation, model_digest, layer, views, metric, units, created_at"
    " FROM generations_1",
    "INSERT INTO pictures (picture, generation, id, content_sha256, label, metadata, created_at,"
    " crc32) SELECT picture, generation, id, content_sha256, label, metadata, created_at,"
    " text_crc32(id, content_sha256, NULL, label, metadata, created_at)"
    " FROM pictures_1 ORDER BY picture",
    "INSERT INTO features SELECT picture, features, crc32(features)"
    " FROM pictures_1 ORDER BY picture",
    "INSERT INTO thumbnails SELECT picture, thumbnail, crc32(thumbnail)"
    " FROM pictures_1 ORDER BY picture",
)
_log = logging.getLogger(__name__)


def migrate(connection: apsw.Connection, path: Path) -> None:
    """Bring the file at ``path``, of version 1, to version 2; ``connection`` is the only writer.

    What it was is kept beside it as ``NAME.version-1``.  A process that is killed leaves version 1
    or version 2, whole.  Raises StorageFailed where there is no room, apsw.Error or OSError.
    """
    began = time.monotonic()
    connection.set_busy_timeout(_LOCKED_MS)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.pragma("user_version") == 1:  # else another process has done it meanwhile
            _require_room(path)
            kept = _back_up(path)
            _rewrite(connection)
            _log.warning("the index %s is brought to version 2; as it was: %s", path, kept)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    _log.warning("the index is of version 2 after %.1f s", time.monotonic() - began)


def _require_room(path: Path) -> None:
    needed = _ROOM * path.stat().st_size
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise StorageFailed(
            f"the index is of version 1, and bringing it to version 2 takes {needed:,} bytes of "
            f"room; there are {free:,}: make room and start again"
        )


def _back_up(path: Path) -> Path:
    """A whole and durable copy of the file, under a name that is free."""
    name = f"{path.name}.version-1"
    names = (name if again == 0 else f"{name}.{again}" for again in count())
    kept = next(each for each in map(path.with_name, names) if not each.exists())
    part = path.with_name(f"{path.name}.version-1.part")
    remove(part)
    # SQLite copies from no connection that is about to write.
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as source:
        copy_pages(source, part)
    name_durably(part, kept)
    return kept


def _rewrite(connection: apsw.Connection) -> None:
    connection.create_scalar_function("crc32", _crc32, 1, deterministic=True)
    connection.create_scalar_function("text_crc32", _text_crc32, 6, deterministic=True)
    connection.execute("DROP INDEX pictures_by_label")
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    connection.execute(resources.files(__package__).joinpath("schema.sql").read_text())
    for copy in _COPY:
        connection.execute(copy)
    for table in reversed(_TABLES):
        connection.execute(f"DROP TABLE {table}_1")
    connection.pragma("user_version", 2)


def _crc32(*blobs: Any) -> int:  # noqa: ANN401 (a value of SQLite's)
    return zlib.crc32(*blobs)


def _text_crc32(*texts: Any) -> int:  # noqa: ANN401 (values of SQLite's)
    return text_crc32(*texts)
