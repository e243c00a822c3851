"""The index a server was told to use, for one model after another."""

from __future__ import annotations

import threading
from pathlib import Path

from alexnet_server.errors import SettingsError
from alexnet_server.index import Index
from alexnet_server.index.database import Database
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Binding
from alexnet_server.index.writer import Writer


class Indexes:
    """Opens the index at ``url`` (``milvus://...`` or the path of a file) for a model.

    ``metric`` is how its pictures are compared; ``index_keys`` are the metadata keys that have an
    index of their own from now on, None leaves those there are; ``codes`` is the graph to search
    by.  Whoever asks for the same model gets the same index, and the file is open as long as
    anybody has one: two of them in a process would refuse each other.
    """

    def __init__(
        self,
        url: str | Path,
        *,
        metric: str = "l2",
        index_keys: tuple[str, ...] | None = None,
        codes: Path | None = None,
    ) -> None:
        self.url = url
        self.metric = metric
        self._index_keys = index_keys
        self._codes = codes
        self._lock = threading.Lock()  # guards the four below
        self._database: Database | None = None
        self._writer: Writer | None = None
        self._open: dict[Binding, PictureIndex] = {}
        self._holders: dict[Binding, int] = {}

    def of(self, model_digest: str, units: int) -> Index:
        """The index of the features, of ``units``, that a model makes; its ``close`` gives it back.

        Raises IndexMismatch or StorageFailed.
        """
        binding = Binding(model_digest, units, metric=self.metric)
        return _in_milvus(self.url, binding) or self.open(binding)

    def open(self, binding: Binding, *, builds: bool = False) -> PictureIndex:
        """The index of a binding; with ``builds`` to fill it before anybody sees it.

        Raises IndexMismatch or StorageFailed, with ``builds`` also IndexInUse.
        """
        with self._lock:
            database, writer = self._files()
            try:
                if binding not in self._open:
                    self._open[binding] = PictureIndex(
                        database,
                        writer,
                        binding,
                        codes=self._codes,
                        builds=builds,
                        give_back=self._take_back,
                    )
                self._holders[binding] = self._holders.get(binding, 0) + 1
                return self._open[binding]
            finally:
                self._close_files()

    def close(self) -> None:
        """Close what is open; nothing may be under way."""
        with self._lock:
            for binding in list(self._open):
                self._open.pop(binding).end()
            self._holders.clear()
            self._close_files()

    def _take_back(self, index: PictureIndex) -> None:
        with self._lock:
            left = self._holders.get(index.binding, 0) - 1
            if left > 0:
                self._holders[index.binding] = left
            elif self._holders.pop(index.binding, None) is not None:
                self._open.pop(index.binding).end()
                self._close_files()

    def _files(self) -> tuple[Database, Writer]:
        if self._database is None or self._writer is None:
            self._database = Database(Path(self.url), index_keys=self._index_keys)
            self._writer = Writer(self._database)
        return self._database, self._writer

    def _close_files(self) -> None:
        """Close the file where nobody has an index of it."""
        if self._open:
            return
        if self._writer is not None:
            self._writer.close()
        if self._database is not None:
            self._database.close()
        self._writer = self._database = None


def open_index(url: str | Path, binding: Binding) -> Index:
    """One index by itself.  Raises IndexMismatch or StorageFailed."""
    return _in_milvus(url, binding) or Indexes(url, metric=binding.metric).open(binding)


def _in_milvus(url: str | Path, binding: Binding) -> Index | None:
    """The index of a binding in a Milvus, None where ``url`` names a file.

    Raises SettingsError where pymilvus is not installed, IndexMismatch or StorageFailed.
    """
    if isinstance(url, Path) or not url.startswith(("milvus://", "milvuss://")):
        return None
    try:
        # It takes a second to import, and reads .env files: only where it is needed.
        from alexnet_server.index.milvus.pictures import MilvusIndex  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("milvus:// needs pymilvus: install alexnet-server[milvus]") from error
    return MilvusIndex(url, binding)
