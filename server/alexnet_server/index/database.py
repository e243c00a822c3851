"""The index's SQLite file: opened, checked, and lent to one writer and many readers.

WAL with synchronous=FULL: what a reply acknowledges survives a kill and a power loss
(sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import apsw

from alexnet_server.errors import IndexMismatch, StorageFailed

_APPLICATION_ID = 0x414C584E  # "ALXN", in the file's header
_SCHEMA_VERSION = 1
_BUSY_TIMEOUT_MS = 5_000
_WRITE_WAIT_S = 2.0  # for writers here and in other processes together: less than a request has
_RETRY_S = 0.02
_REASONS: dict[type[Exception], str] = {
    apsw.FullError: "there is no room left",
    apsw.ConnectionClosedError: "the index is closed",
}
_log = logging.getLogger(__name__)


class Database:
    """Connections to one index file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises IndexMismatch where the file is not an index of this version, StorageFailed where
        it cannot be opened or made.
        """
        self._path = path
        self._readers: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        self._write_lock = threading.Lock()  # guards _writer: one transaction at a time
        try:
            _make_folder(path.parent)
            self._writer = self._connect()
            self._prepare()
        except apsw.NotADBError as error:
            raise IndexMismatch(
                "the file is not an SQLite file: give --index another path"
            ) from error
        except (apsw.Error, OSError) as error:
            raise self._failed("the index cannot be opened", error) from error

    @contextmanager
    def writing(self, wait_s: float = math.inf) -> Iterator[apsw.Connection]:
        """One durable transaction: committed on leaving, rolled back on any exception.

        Other writers are waited for ``wait_s`` at most, and never longer than 2 s.

        Raises StorageFailed where SQLite cannot write (disk full, read-only, I/O error, locked by
        another program).
        """
        with self._turn_to_write(max(0.0, min(wait_s, _WRITE_WAIT_S))) as left_s:
            try:
                self._writer.set_busy_timeout(math.ceil(left_s * 1000))
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
            except apsw.Error as error:
                raise self._failed("nothing was stored", error) from error

    @contextmanager
    def _turn_to_write(self, wait_s: float) -> Iterator[float]:
        """Yields the seconds of ``wait_s`` that are left to wait for other processes."""
        until_s = time.monotonic() + wait_s
        if not self._write_lock.acquire(timeout=wait_s):
            raise StorageFailed("nothing was stored: others have been writing for too long")
        try:
            yield max(0.0, until_s - time.monotonic())
        finally:
            self._write_lock.release()

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """One unchanging view of the file, whatever is written meanwhile.

        Raises StorageFailed where SQLite cannot read.
        """
        try:
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = self._connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._readers.put(connection)
        except apsw.Error as error:
            raise self._failed("the index cannot be read", error) from error

    def close(self) -> None:
        """Close every connection that is not in use."""
        while not self._readers.empty():
            self._readers.get().close()
        self._writer.close()

    def _failed(self, what: str, error: apsw.Error | OSError) -> StorageFailed:
        """The refusal; what SQLite or the system said may name files and goes to the log alone."""
        _log.error("%s (%s): %s: %s", what, self._path, type(error).__name__, error)
        reason = _REASONS.get(type(error), "the server's log says why")
        return StorageFailed(f"{what}: {reason}")

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self._path))
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _prepare(self) -> None:
        self._writer.pragma("user_version")  # NotADBError where the file is something else
        with self.writing() as connection:  # of two servers that start together one makes it
            application = connection.pragma("application_id")
            version = connection.pragma("user_version")
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
            if tables == application == version == 0:
                schema = resources.files(__package__).joinpath("schema.sql").read_text()
                connection.execute(schema)
                connection.pragma("application_id", _APPLICATION_ID)
                connection.pragma("user_version", _SCHEMA_VERSION)
            elif (application, version) != (_APPLICATION_ID, _SCHEMA_VERSION):
                raise IndexMismatch(
                    f"the file is not an index of version {_SCHEMA_VERSION} (application "
                    f"{application:#x}, version {version}): give --index another path"
                )
        self._use_wal()

    def _use_wal(self) -> None:
        # Here SQLite does not always wait for another process by itself.
        deadline = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
        while True:
            try:
                self._writer.execute("PRAGMA journal_mode = WAL")
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)
            else:
                return


def _make_folder(folder: Path) -> None:
    """Make a folder and what it lies in, so that a power loss does not take it away again.

    SQLite itself syncs the folder its files are in, and none above.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        descriptor = os.open(each.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
