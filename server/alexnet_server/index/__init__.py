"""The stored pictures of one model, whatever keeps them: what the rest of the server knows of them.

``pictures.PictureIndex`` keeps them in one SQLite file, ``milvus.MilvusIndex`` in a Milvus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from alexnet_server.engine import Values
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

Wanted = Callable[[], None]  # raises where nobody waits for the answer any more
MOST_DELETED = 20_000  # pictures in one transaction


def _always() -> None:
    return None


@runtime_checkable
class Index(Protocol):
    """The stored pictures of one model; safe to use from many threads.

    A method that writes returns once what it wrote is durable; it waits ``wait_s`` seconds at most
    for others that write.  Every method raises StorageFailed where the store cannot be read or
    written, and IndexInUse where another process has it.
    """

    binding: Binding

    def upsert(
        self, entries: Sequence[NewPicture | Repeat], wait_s: float = math.inf
    ) -> list[Upserted]:
        """Store pictures, all of the list or none.

        A picture stored with the same bytes keeps its features; its label and metadata are
        replaced where they are given.  Raises PictureNotFound where a repeated picture was deleted
        or replaced meanwhile.
        """
        ...

    def restore(self, records: Sequence[Record], wait_s: float = math.inf) -> int:
        """Store pictures as they were elsewhere, ``created_at`` included.

        One that is there with the same bytes is left alone; returns how many were written.
        """
        ...

    def delete(self, ids: Sequence[str], wait_s: float = math.inf) -> int:
        """Delete by id; returns how many there were."""
        ...

    def delete_where(
        self, where: Where, limit: int = MOST_DELETED, wait_s: float = math.inf
    ) -> Deleted:
        """Delete the first ``limit`` pictures, by id, that pass ``where``.

        Raises ValueError where everything passes it.
        """
        ...

    def get(self, picture_id: str) -> StoredPicture:
        """One picture.  Raises PictureNotFound."""
        ...

    def thumbnail(self, picture_id: str) -> bytes:
        """JPEG bytes.  Raises PictureNotFound."""
        ...

    def features(self, picture_id: str) -> Values:
        """Features as they were stored, float32 [units].  Raises PictureNotFound."""
        ...

    def known(self, ids: Sequence[str]) -> dict[str, str]:
        """``content_sha256`` of each of ``ids`` that is stored."""
        ...

    def stored_contents(self, digests: Sequence[str]) -> set[str]:
        """Those of the ``content_sha256`` given that a picture of any model has, in this store.

        What keeps the pictures' own files asks before it deletes one.
        """
        ...

    def count(self, where: Where = EVERYTHING) -> int:
        """Number of pictures that pass ``where``."""
        ...

    def page(self, after: str, limit: int, where: Where = EVERYTHING) -> Page:
        """Up to ``limit`` pictures whose id comes after ``after``, in order of id.

        Fewer where their metadata is more than 4 MiB of UTF-8; at least one where there is one.
        """
        ...

    def records(self, after: str, limit: int) -> list[Record]:
        """Whole pictures whose id comes after ``after``, in order of id, 16 MiB at most."""
        ...

    def search(
        self,
        features: Values,
        k: int,
        *,
        where: Where = EVERYTHING,
        max_distance: float | None = None,
        excluding: str | None = None,
        exact: bool = False,
        require_wanted: Wanted = _always,
    ) -> list[Neighbor]:
        """The ``k`` nearest pictures that pass ``where``, nearest first.

        ``features`` float32 [units]; ``excluding`` leaves out one id; ``exact`` compares with every
        picture instead of with the best by their codes.  ``require_wanted`` is asked again and
        again, and what it raises ends the search.
        """
        ...

    def pairs(
        self, after: str, limit: int, max_distance: float, require_wanted: Wanted = _always
    ) -> tuple[list[Pair], str | None]:
        """Pairs of pictures at most ``max_distance`` apart, and where to go on, or None.

        ``limit`` pictures after the id ``after`` are compared with all; a pair is told once, when
        the larger of its ids has its turn.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """``pictures``, ``metric``, ``layer``, ``views``, ``coder`` and ``state``, for /model.

        ``coder`` is None where every search is exact, else its ``kind``, ``bytes`` a picture and
        the pictures it was ``fitted_on``; ``state`` is ``live`` or ``building``.
        """
        ...

    def close(self) -> None:
        """Give it back; nothing may be under way."""
        ...
