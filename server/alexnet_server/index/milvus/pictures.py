"""The stored pictures of one model in a Milvus.

What differs from a file (docs/scale.md): several pictures written together are not one
transaction; of two servers that write the same id at once the later wins; equal distances stand
in order of id; what a reply acknowledges is as durable as the Milvus is.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from alexnet_server.engine import Values
from alexnet_server.errors import BadParameter, PictureNotFound, StorageFailed
from alexnet_server.index.milvus.address import parse_address
from alexnet_server.index.milvus.collection import Collection
from alexnet_server.index.milvus.expression import both, expression, quoted
from alexnet_server.index.milvus.merging import merge
from alexnet_server.index.milvus.nearest import nearest
from alexnet_server.index.milvus.pairs import pairs_of
from alexnet_server.index.milvus.rows import (
    TEXTS,
    WHOLE,
    Row,
    matrix,
    most_rows,
    record,
    row,
    stored,
    thumbnail,
)
from alexnet_server.index.records import (
    Binding,
    Deleted,
    Neighbor,
    NewPicture,
    Page,
    Pair,
    Record,
    Repeat,
    StoredPicture,
    Upserted,
)
from alexnet_server.index.where import EVERYTHING, Where

_MOST_BYTES = 16 * 1024 * 1024  # of one call; Milvus takes 64 MiB
_PAGE_BYTES = 4 * 1024 * 1024  # of metadata
_PAGE_ROWS = 256  # of 16 KiB of metadata at most
_ID_ROWS = 10_000  # ids in one answer; Milvus gives 16,384


class MilvusIndex:
    """The collection that one model made; safe to use from many threads."""

    def __init__(self, url: str, binding: Binding) -> None:
        """Connect to ``milvus://...``.  Raises IndexMismatch or StorageFailed."""
        self.binding = binding
        self._collection = Collection(parse_address(url), binding)
        self._writing = threading.Lock()  # what is there is read before it is written
        self._most_rows = most_rows(binding.units, _MOST_BYTES)

    def upsert(
        self, entries: Sequence[NewPicture | Repeat], wait_s: float = math.inf
    ) -> list[Upserted]:
        """As Index.upsert, except that a part may be stored where StorageFailed is raised."""
        with self._turn(wait_s) as left_s:
            before = self._stored([entry.id for entry in entries])
            merged = merge(before, entries)
            kept = self._collection.rows(merged.described, WHOLE)
            self._write(merged.records(map(record, kept)), left_s)
        return merged.done

    def restore(self, records: Sequence[Record], wait_s: float = math.inf) -> int:
        """As Index.restore, except that a part may be stored where StorageFailed is raised."""
        with self._turn(wait_s) as left_s:
            known = self.known([one.picture.id for one in records])
            latest = {one.picture.id: one for one in records}
            missing = [
                one
                for one in latest.values()
                if known.get(one.picture.id) != one.picture.content_sha256
            ]
            self._write(missing, left_s)
        return len(missing)

    def delete(self, ids: Sequence[str], wait_s: float = math.inf) -> int:
        """As Index.delete."""
        with self._turn(wait_s) as left_s:
            # Milvus counts the ids it was told, not those it had.
            known = list(self.known(ids))
            self._collection.delete(known, left_s())
        return len(known)

    def delete_where(self, where: Where, limit: int = 20_000, wait_s: float = math.inf) -> Deleted:
        """As Index.delete_where."""
        wanted = expression(where)
        if not wanted:
            raise ValueError("a filter that everything passes deletes nothing")
        with self._turn(wait_s) as left_s:
            rows = self._collection.following("", _ID_ROWS, ["id", "content_sha256"], wanted)
            found = {one["id"]: one["content_sha256"] for one in islice(rows, limit)}
            self._collection.delete(list(found), left_s())
            left = self._collection.count(wanted)
        return Deleted(len(found), left, frozenset(found.values()))

    def get(self, picture_id: str) -> StoredPicture:
        """One picture.  Raises PictureNotFound."""
        return stored(self._one(picture_id, TEXTS))

    def thumbnail(self, picture_id: str) -> bytes:
        """JPEG bytes.  Raises PictureNotFound."""
        return thumbnail(self._one(picture_id, ["thumbnail"]))

    def features(self, picture_id: str) -> Values:
        """Features as they were stored, float32 [units].  Raises PictureNotFound."""
        features: Values = matrix([self._one(picture_id, ["features"])])[0]
        return features

    def known(self, ids: Sequence[str]) -> dict[str, str]:
        """``content_sha256`` of each of ``ids`` that is stored."""
        rows = self._collection.rows(list(dict.fromkeys(ids)), ["id", "content_sha256"])
        return {one["id"]: one["content_sha256"] for one in rows}

    def stored_contents(self, digests: Sequence[str]) -> set[str]:
        """As Index.stored_contents: of every collection of the prefix."""
        return self._collection.stored_contents(list(dict.fromkeys(digests)))

    def count(self, where: Where = EVERYTHING) -> int:
        """Number of pictures that pass ``where``."""
        return self._collection.count(expression(where))

    def page(self, after: str, limit: int, where: Where = EVERYTHING) -> Page:
        """As Index.page; ``count`` is of a moment later than the pictures."""
        wanted = expression(where)
        rows = self._collection.following(after, min(_PAGE_ROWS, limit + 1), TEXTS, wanted)
        pictures: list[StoredPicture] = []
        metadata_bytes = 0
        for one in rows:
            pictures.append(stored(one))
            metadata_bytes += len(one["metadata"].encode())
            if len(pictures) == limit or metadata_bytes > _PAGE_BYTES:
                break
        cursor = None if next(rows, None) is None else pictures[-1].id
        return Page(tuple(pictures), cursor, self._collection.count(wanted))

    def records(self, after: str, limit: int) -> list[Record]:
        """Whole pictures whose id comes after ``after``, in order of id, 16 MiB at most."""
        found = self._collection.after(after, min(limit, self._most_rows), WHOLE)
        return [record(one) for one in found]

    def search(
        self,
        features: Values,
        k: int,
        *,
        where: Where = EVERYTHING,
        max_distance: float | None = None,
        excluding: str | None = None,
        exact: bool = False,
        require_wanted: Callable[[], None] = lambda: None,
    ) -> list[Neighbor]:
        """As Index.search.  Raises BadParameter on ``exact`` where the index is quantized."""
        if exact and self._collection.quantized:
            raise BadParameter(
                "exact: this index is a quantized one of a Milvus, which has no exact search"
            )
        require_wanted()
        others = "" if excluding is None else f"id != {quoted(excluding)}"
        wanted = both(expression(where), others)
        found = nearest(self._collection, self.binding.metric, features, k, wanted)
        require_wanted()
        limit = math.inf if max_distance is None else max_distance
        return [one for one in found if one.distance <= limit]

    def pairs(
        self,
        after: str,
        limit: int,
        max_distance: float,
        require_wanted: Callable[[], None] = lambda: None,
    ) -> tuple[list[Pair], str | None]:
        """As Index.pairs; at most the 1,000 nearest of a picture."""
        most = min(limit, self._most_rows)
        return pairs_of(
            self._collection,
            self.binding.metric,
            after,
            most,
            max_distance=max_distance,
            require_wanted=require_wanted,
        )

    def describe(self) -> dict[str, Any]:
        """As Index.describe; a quantized index is told by its kind, ``fitted_on`` stays unknown."""
        coder = None
        if self._collection.quantized:
            coder = {"kind": "rabitq", "bytes": self.binding.units // 8, "fitted_on": None}
        return {
            "pictures": self.count(),
            "metric": self.binding.metric,
            "layer": self.binding.layer,
            "views": self.binding.views,
            "coder": coder,
            "state": "live",
        }

    def close(self) -> None:
        """Close the connection."""
        self._collection.close()

    @contextmanager
    def _turn(self, wait_s: float) -> Iterator[Callable[[], float]]:
        """Write alone in this process; gives what tells the seconds that are left."""
        ends = time.monotonic() + wait_s
        if not self._writing.acquire(timeout=-1 if wait_s == math.inf else max(0.0, wait_s)):
            raise StorageFailed("the index cannot be written: others have been writing too long")
        try:
            yield lambda: ends - time.monotonic()
        finally:
            self._writing.release()

    def _write(self, records: Sequence[Record], left_s: Callable[[], float]) -> None:
        rows = [row(one) for one in records]  # a picture that is too large stops all of them
        for first in range(0, len(rows), self._most_rows):
            self._collection.write(rows[first : first + self._most_rows], left_s())

    def _stored(self, ids: Sequence[str]) -> dict[str, StoredPicture]:
        rows = self._collection.rows(list(dict.fromkeys(ids)), TEXTS)
        return {one["id"]: stored(one) for one in rows}

    def _one(self, picture_id: str, fields: list[str]) -> Row:
        found = self._collection.rows([picture_id], fields)
        if not found:
            raise PictureNotFound(f"no picture {picture_id!r} in the index")
        return found[0]
