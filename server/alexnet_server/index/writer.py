"""The thread that writes to an index file: many writes, each all or nothing, share one commit.

It takes SQLite's write lock first and then all writes that wait, each in a savepoint of its own; a
reply is given once their common commit is on the disk.  A write whose time was over while the file
was locked is cancelled and never ran.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import apsw

from alexnet_server.errors import StorageFailed
from alexnet_server.index.cores import Cores
from alexnet_server.index.database import Database

BATCH = 1_024  # pictures in one commit
# SQLite begins its log anew when nobody reads; beside searches without a pause it never would.
# Each try costs up to 100 ms beside them, so there are few.
LOG_BYTES = 256 * 1024 * 1024
_WAIT_S = 2.0  # for writers here and in other processes together: less than a request has
_TRY_S = 0.2  # until it is seen whether anybody still waits
_ERASE_S = 0.5  # after the reply; with what SQLite takes for it, less than 1 s
T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Write:
    change: Callable[[apsw.Connection], Any]
    applied: Callable[[Any], None] | None
    weight: int
    done: Future[Any] = field(default_factory=Future)


class Writer:
    """Writes for all threads; the only one that uses ``Database.writer``.

    ``cores`` are those that it shares with scans.
    """

    def __init__(self, database: Database, *, batch: int = BATCH) -> None:
        """``batch`` is the most pictures in one commit; a larger write has one of its own."""
        self.cores = Cores()
        self._database = database
        self._batch = batch
        self._waiting: deque[_Write] = deque()
        self._changed = threading.Condition()  # guards _waiting and _is_closing
        self._is_closing = False
        # A process that was killed may have left deleted pictures in the log.
        self._erase_at_s: float | None = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="index-writer", daemon=True)
        self._thread.start()

    def write(
        self,
        change: Callable[[apsw.Connection], T],
        applied: Callable[[T], None] | None = None,
        *,
        weight: int = 1,
        wait_s: float = math.inf,
    ) -> T:
        """What ``change`` returns, once what it wrote is durable.

        ``change`` runs on the writer's thread, and what it raises undoes it alone and is raised
        here; ``applied`` gets its result after the commit and before this returns.  ``weight`` is
        the number of pictures.  Others are waited for ``wait_s`` at most, and never longer than
        2 s.  Raises StorageFailed where SQLite cannot write (disk full, read-only, I/O error,
        locked by another program).
        """
        write = _Write(change, applied, weight)
        with self._changed:
            if self._is_closing:
                raise StorageFailed("nothing was stored: the index is closed")
            self._waiting.append(write)
            self._changed.notify()
        try:
            return cast("T", write.done.result(max(0.0, min(wait_s, _WAIT_S))))
        except TimeoutError:
            if not write.done.cancel():  # it is being written, or has raised this itself
                return cast("T", write.done.result())
        raise StorageFailed("nothing was stored: others have been writing for too long")

    def erase_soon(self) -> None:
        """Where something was deleted or replaced, or the log is long: empty it by and by."""
        if self._erase_at_s is None:
            self._erase_at_s = time.monotonic() + _ERASE_S

    def close(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            with self.cores.writing():
                while self._waiting:  # without the lock: what it misses, the next round sees
                    self._commit()
                    self._erase()
            self._erase()
        self._erase(at_once=True)

    def _wait(self) -> bool:
        """Wait for something to do; False once there is nothing left and it is to end."""
        with self._changed:
            if not self._waiting and not self._is_closing:
                at_s = self._erase_at_s
                self._changed.wait(None if at_s is None else max(0.0, at_s - time.monotonic()))
            return bool(self._waiting) or not self._is_closing

    def _commit(self) -> None:
        connection = self._database.writer
        if not self._begin():
            return
        batch, done = self._take(), []
        try:
            for write in batch:
                done += self._change(write)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 (the thread's boundary: nobody waits for ever)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._refuse(batch, error)
            return
        for write, result in done:
            _apply(write, result)
            write.done.set_result(result)
        if self._database.log_bytes() > LOG_BYTES:
            self.erase_soon()

    def _begin(self) -> bool:
        """Whether SQLite's write lock is held, and somebody waits for it."""
        with self._changed:
            while self._waiting and self._waiting[0].done.cancelled():
                self._waiting.popleft()
            if not self._waiting:
                return False
        try:
            self._database.begin(time.monotonic() + _TRY_S)
        except apsw.BusyError:
            return False  # whoever has no time left cancels meanwhile
        except apsw.Error as error:
            self._refuse(self._take(), error)
            return False
        return True

    def _take(self) -> list[_Write]:
        """The writes of one commit, which can no longer be cancelled."""
        batch: list[_Write] = []
        weight = 0
        with self._changed:
            while self._waiting and (not batch or weight + self._waiting[0].weight <= self._batch):
                write = self._waiting.popleft()
                if write.done.set_running_or_notify_cancel():
                    batch.append(write)
                    weight += write.weight
        return batch

    def _change(self, write: _Write) -> list[tuple[_Write, Any]]:
        """The write and its result, or nothing where it failed alone.

        Raises apsw.Error where all of the transaction is undone.
        """
        connection = self._database.writer
        connection.execute("SAVEPOINT one")
        try:
            result = write.change(connection)
            connection.execute("RELEASE one")
        except Exception as error:
            if isinstance(error, apsw.Error) and not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            if isinstance(error, apsw.Error):
                self._refuse([write], error)
            else:
                write.done.set_exception(error)
            return []
        return [(write, result)]

    def _refuse(self, writes: Sequence[_Write], error: Exception) -> None:
        """Tell each, in an error of its own: whoever raises it adds to its traceback."""
        detail = str(self._database.failed("nothing was stored", error))
        for write in writes:
            if not write.done.done():
                write.done.set_exception(StorageFailed(detail))

    def _erase(self, *, at_once: bool = False) -> None:
        """Empty SQLite's log where it was to be some time ago."""
        if self._erase_at_s is None or not (at_once or time.monotonic() >= self._erase_at_s):
            return
        try:
            is_done = self._database.truncate_wal()
        except apsw.Error:
            _log.exception("SQLite's log could not be emptied")
            is_done = False
        self._erase_at_s = None if is_done else time.monotonic() + _ERASE_S


def _apply(write: _Write, result: object) -> None:
    if write.applied is None:
        return
    try:
        write.applied(result)
    except Exception:  # noqa: BLE001 (it is stored, whatever becomes of what is in memory)
        _log.exception("what was stored could not be taken into memory")
