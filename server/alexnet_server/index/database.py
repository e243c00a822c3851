"""The index's SQLite file: opened, checked, and lent to one writer and many readers.

WAL with synchronous=FULL: what a reply acknowledges survives a kill and a power loss
(sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import apsw

from alexnet_repository.durable import sync
from alexnet_server.errors import IndexMismatch, StorageFailed
from alexnet_server.index.conditions import extract
from alexnet_server.index.migration import migrate

APPLICATION_ID = 0x414C584E  # "ALXN", in the file's header
SCHEMA_VERSION = 2
CHECKPOINT_PAGES = 4_000  # 16 MB of log, then the writer copies it into the file
# What one commit of many pictures writes fits in; else SQLite writes some pages twice, and reads
# the indexes' pages again for each picture.
_WRITER_CACHE_KIB = 64 * 1024
_BUSY_TIMEOUT_MS = 5_000
_TRUNCATE_MS = 100  # that the writer stands still so that readers end
_RETRY_S = 0.02
_READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
_KEY_INDEX = "key_"  # begins the names of the indexes of metadata keys
_REASONS: dict[type[Exception], str] = {
    apsw.FullError: "there is no room left",
    apsw.ConnectionClosedError: "the index is closed",
    apsw.BusyError: "others have been writing for too long",
}
_log = logging.getLogger(__name__)


class Database:
    """Connections to one index file: ``writer`` for one thread, ``reading`` for all others."""

    def __init__(
        self, path: Path, *, index_keys: tuple[str, ...] | None = None, read_only: bool = False
    ) -> None:
        """Open the file; make it, or bring it to this version, unless ``read_only``.

        ``index_keys`` are the metadata keys that have an index of their own from now on; None
        leaves those there are.  Raises IndexMismatch where the file is not an index of a version
        that can be used, StorageFailed where it cannot be opened or made.
        """
        self.path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._flags = apsw.SQLITE_OPEN_READONLY if read_only else _READ_WRITE
        self._is_closed = False
        self._readers: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        try:
            if not read_only:
                _make_folder(path.parent)
            self.writer = self._connect()
            self._prepare(index_keys, read_only=read_only)
        except apsw.NotADBError as error:
            raise IndexMismatch(
                "the file is not an SQLite file: give --index another path"
            ) from error
        except (apsw.Error, OSError, UnicodeDecodeError) as error:
            raise self.failed("the index cannot be opened", error) from error

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """One unchanging view of the file, whatever is written meanwhile.

        Raises StorageFailed where SQLite cannot read.
        """
        try:
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                if self._is_closed:
                    raise apsw.ConnectionClosedError from None
                connection = self._connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._readers.put(connection)
        except (apsw.Error, UnicodeDecodeError) as error:  # of a text whose bits were flipped
            raise self.failed("the index cannot be read", error) from error

    def begin(self, until_s: float) -> None:
        """Take SQLite's write lock, waiting for other programs until ``until_s`` (monotonic).

        Raises apsw.BusyError, or what else SQLite says.
        """
        while True:
            try:
                self.writer.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                if time.monotonic() >= until_s:
                    raise
                time.sleep(_RETRY_S)
            else:
                return

    @contextmanager
    def writing(self, until_s: float) -> Iterator[apsw.Connection]:
        """One durable transaction of the writer: committed on leaving, undone by an exception."""
        self.begin(until_s)
        try:
            yield self.writer
            self.writer.execute("COMMIT")
        except BaseException:
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
            raise

    def log_bytes(self) -> int:
        """What SQLite's log takes on the disk."""
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def truncate_wal(self) -> bool:
        """Copy the whole log into the file and empty it, so that nothing deleted is left in it.

        False where a reader or another program was in the way for 100 ms.  Raises apsw.Error.
        """
        self.writer.set_busy_timeout(_TRUNCATE_MS)
        try:
            is_busy, _, _ = self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
        finally:
            self.writer.set_busy_timeout(0)
        return not is_busy

    def failed(self, what: str, error: Exception) -> StorageFailed:
        """The refusal; what SQLite or the system said may name files and goes to the log alone."""
        _log.error("%s (%s): %s: %s", what, self.path, type(error).__name__, error)
        reason = _REASONS.get(type(error), "the server's log says why")
        return StorageFailed(f"{what}: {reason}")

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._is_closed = True
        while not self._readers.empty():
            self._readers.get().close()
        self.writer.close()

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), flags=self._flags)
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        # One a call: apsw leaves a statement at its first row, and what follows it undone.
        connection.pragma("synchronous", "FULL")
        connection.pragma("foreign_keys", True)
        connection.pragma("secure_delete", True)
        connection.pragma("mmap_size", 0)  # a file cut short is an error, not SIGBUS
        return connection

    def _prepare(self, index_keys: tuple[str, ...] | None, *, read_only: bool) -> None:
        version = self._version()  # NotADBError where the file is something else
        if read_only:
            if version != SCHEMA_VERSION:
                raise self._mismatch(version)
            return
        if version == 1:
            migrate(self.writer, self.path)
        until_s = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
        with self.writing(until_s):  # of two servers that start together one makes it
            version = self._version()
            if version is None:
                schema = resources.files(__package__).joinpath("schema.sql").read_text()
                self.writer.execute(schema)
                self.writer.pragma("application_id", APPLICATION_ID)
                self.writer.pragma("user_version", SCHEMA_VERSION)
            elif version != SCHEMA_VERSION:
                raise self._mismatch(version)
            if index_keys is not None:
                self._index(index_keys)
        self._use_wal(until_s)
        self.writer.pragma("cache_size", -_WRITER_CACHE_KIB)
        self.writer.set_busy_timeout(0)  # not before: without WAL readers hold a commit up
        self.writer.wal_autocheckpoint(CHECKPOINT_PAGES)

    def _version(self) -> int | None:
        """The version of the index, None of an empty file.  Raises IndexMismatch."""
        application = self.writer.pragma("application_id")
        version = int(self.writer.pragma("user_version"))
        tables = self.writer.execute("SELECT count(*) FROM sqlite_schema").get
        if tables == application == version == 0:
            return None
        if application != APPLICATION_ID:
            raise IndexMismatch(
                f"the file is not an index (application {application:#x}, version {version}): "
                "give --index another path"
            )
        return version

    def _mismatch(self, version: int | None) -> IndexMismatch:
        return IndexMismatch(
            f"the file is not an index of version {SCHEMA_VERSION} (version {version}): "
            "give --index another path"
        )

    def _index(self, keys: tuple[str, ...]) -> None:
        # Hexadecimal, because the names of two indexes must differ by more than case.
        wanted = {f"{_KEY_INDEX}{key.encode().hex()}": extract(key) for key in keys}
        select = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name GLOB ?"
        there = {name for (name,) in self.writer.execute(select, (f"{_KEY_INDEX}*",))}
        for name in there - wanted.keys():
            self.writer.execute(f'DROP INDEX "{name}"')
        for name in wanted.keys() - there:
            self.writer.execute(f'CREATE INDEX "{name}" ON pictures (generation, {wanted[name]})')

    def _use_wal(self, until_s: float) -> None:
        # Here SQLite does not always wait for another process by itself.
        while True:
            try:
                self.writer.pragma("journal_mode", "WAL")
            except apsw.BusyError:
                if time.monotonic() > until_s:
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
        sync(each.parent)
