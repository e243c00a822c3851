"""How large the index is, read beside the requests so that a slow disk holds up no scrape."""

from __future__ import annotations

import shutil
import threading
import time

from alexnet_server.errors import RequestError
from alexnet_server.served import Served

_FRESH_S = 10.0
_SUFFIXES = ("", "-wal", "-shm")  # SQLite's journal and its index lie beside the file
_PATIENCE_S = 0.05  # of whoever reads: later values are for the next one

Size = tuple[str, str, float]


class IndexSize:
    """Pictures and bytes of the index, at most some 10 s old unless the disk is slow.

    Counting reads the whole of an SQLite index, and a disk may hang: a thread that lives only as
    long as it counts does it, one at a time.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._lock = threading.Lock()  # guards the three below
        self._sizes: list[Size] = []
        self._counted_s: float | None = None
        self._counting: threading.Thread | None = None

    def read(self) -> list[Size]:
        """Name, meaning and value of what is known; empty until it was counted once."""
        with self._lock:
            is_old = self._counted_s is None or time.monotonic() - self._counted_s > _FRESH_S
            if is_old and self._counting is None:
                self._counting = threading.Thread(
                    target=self._count, name="index-size", daemon=True
                )
                self._counting.start()
            counting = self._counting
        if counting is not None:
            counting.join(_PATIENCE_S)
        return self._sizes

    def _count(self) -> None:
        sizes: list[Size] = []
        try:
            sizes = self._pictures() + self._bytes()
        finally:
            with self._lock:
                self._sizes, self._counted_s = sizes, time.monotonic()
                self._counting = None

    def _pictures(self) -> list[Size]:
        with self._served.deploys.hold() as deployed:
            try:
                count = deployed.pictures().count()
            except RequestError:  # alexnet_index_usable and the answers of requests tell it
                return []
        return [("alexnet_index_pictures", "Pictures of the model that answers.", count)]

    def _bytes(self) -> list[Size]:
        path = self._served.settings.index_path
        if path is None:  # in a Milvus, which tells its own
            return []
        try:
            files = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
            used = sum(one.stat().st_size for one in files if one.exists())
            free = shutil.disk_usage(path.parent).free
        except OSError:
            return []
        return [
            ("alexnet_index_bytes", "The index file and its journal.", used),
            ("alexnet_index_free_bytes", "Free where the index file lies.", free),
        ]
