"""This repository's index: one SQLite file, codes in memory, exact distances of the best."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

from alexnet_server.index import Index
from alexnet_server.index.opening import open_index
from alexnet_server.index.records import Binding, NewPicture
from alexnet_server.index.search import AGAIN_AT, EXACT_UP_TO, candidates_of
from alexnet_server.memory import return_memory
from benchmarks.searching.features import NEAREST, UNITS, Features, Keys, Values

_DIGEST = hashlib.sha256(b"benchmark").hexdigest()
_TRY_S = 0.05


class Ours:
    """Whole pictures through ``Index``: thumbnail, label, metadata and features of each."""

    distributions = ("apsw", "faiss-cpu", "numpy")
    durable = "synced, each batch (WAL, synchronous=FULL)"

    def __init__(self, folder: Path, features: Features) -> None:
        self._path = folder / "index.sqlite"
        self._pictures = features.pictures
        # Of the benchmark's folder: whoever makes thumbnails holds more memory than the index.
        self._thumbnails = [
            path.read_bytes() for path in sorted((features.folder / "thumbnails").glob("*.jpg"))
        ]
        self._index: Index | None = None
        self.settings: dict[str, Any] = {
            "thumbnail_bytes": sum(map(len, self._thumbnails)) // len(self._thumbnails),
            "candidates": candidates_of(NEAREST, features.pictures),
        }

    def memory_bytes(self) -> int:
        """The codes alone."""
        return 0

    def create(self) -> None:
        """An empty file."""
        self.open()

    def add(self, keys: Keys, features: Values) -> None:
        """One ``upsert``."""
        pictures = [self._picture(*one) for one in zip(keys.tolist(), features, strict=True)]
        self._opened().upsert(pictures)

    def finish(self) -> None:
        """Wait for the codes, which are made in the background."""
        if self._pictures >= EXACT_UP_TO:
            # The mean of a whole index is made of at least half as many pictures.
            least = (AGAIN_AT if self._pictures >= AGAIN_AT else EXACT_UP_TO) // 2
            while (self._coder() or {"fitted_on": 0})["fitted_on"] < least:
                time.sleep(_TRY_S)
        while any(thread.name == "recoding" for thread in threading.enumerate()):
            time.sleep(_TRY_S)
        self.settings["coder"] = self._coder()

    def open(self) -> None:
        """The file, in a process set up as the server's; its codes are read by the first search."""
        return_memory()
        self._index = open_index(self._path, Binding(_DIGEST, UNITS))

    def search(self, query: Values, k: int) -> list[int]:
        """As whoever asks the server has it, label and metadata included."""
        return [int(one.id[1:]) for one in self._opened().search(query, k)]

    def close(self) -> None:
        """Give the file back."""
        self._opened().close()

    def _coder(self) -> dict[str, Any] | None:
        coder: dict[str, Any] | None = self._opened().describe()["coder"]
        return coder

    def _opened(self) -> Index:
        assert self._index is not None
        return self._index

    def _picture(self, key: int, features: Values) -> NewPicture:
        name = f"p{key:09d}"
        thumbnail = self._thumbnails[key % len(self._thumbnails)]
        metadata = {"brand": f"brand{key % 50}", "price": key % 500}
        digest = hashlib.sha256(name.encode()).hexdigest()
        return NewPicture(
            name, digest, f"label{key % 10}", metadata, thumbnail, features, 5 * len(thumbnail)
        )
