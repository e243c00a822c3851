"""Groups of stored pictures that are nearly the same, and which of each to keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from alexnet_client.results import StoredPicture


@dataclass(frozen=True)
class DuplicateGroup:
    """Pictures that are nearly the same: the one to keep, and the others.

    To keep is the one of the most bytes as it was sent (each compression and scaling loses some),
    among equals the one stored first, then that of the smaller id.
    """

    keep: StoredPicture
    others: tuple[StoredPicture, ...]

    @classmethod
    def of(cls, pictures: Sequence[StoredPicture]) -> Self:
        """Choose from two or more."""
        keep, *others = sorted(
            pictures, key=lambda one: (-(one.size_bytes or 0), one.created_at, one.id)
        )
        return cls(keep, tuple(others))


@dataclass(frozen=True)
class PairPage:
    """A page of pairs; ``compared`` of the ``count`` pictures have had their turn in it."""

    pairs: tuple[tuple[str, str], ...]
    compared: int
    count: int
    next_cursor: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read the answer of ``GET /duplicates``."""
        pairs = tuple((str(pair["id"]), str(pair["other"])) for pair in data["pairs"])
        return cls(pairs, int(data["compared"]), int(data["count"]), data["next_cursor"])


class Groups:
    """Ids joined pair by pair (a union-find: R. Tarjan, 1975)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        """Put the groups of two ids together."""
        self._parent[self._root(one)] = self._root(other)

    def several(self) -> Iterator[list[str]]:
        """Yield the ids of each group of two or more."""
        members = defaultdict(list)
        for id in self._parent:
            members[self._root(id)].append(id)
        yield from (ids for ids in members.values() if len(ids) > 1)

    def _root(self, id: str) -> str:
        parent = self._parent
        parent.setdefault(id, id)
        while parent[id] != id:
            parent[id] = parent[parent[id]]  # halves the way for the next
            id = parent[id]
        return id
