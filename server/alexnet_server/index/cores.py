"""Who computes: scans for searches share the cores with the thread that writes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cores:
    """As many as the process may use; while pictures are written, all but one are for scans.

    Without it eight who search without a pause halve the rate of inserts: the writer, one thread
    among many, waits for a core and for Python's lock most of the time.  The other way round a
    single search takes as long again while somebody writes.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or len(os.sched_getaffinity(0))
        self._changed = threading.Condition()  # guards _taken and _writers
        self._taken = 0
        self._writers = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """A core for a part of a scan; waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self._for_scans())
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A core for who writes; waits for nobody, scans that go on end in some milliseconds."""
        with self._changed:
            self._writers += 1
        try:
            yield
        finally:
            with self._changed:
                self._writers -= 1
                self._changed.notify_all()

    def _for_scans(self) -> int:
        return max(1, self.count - self._writers)
