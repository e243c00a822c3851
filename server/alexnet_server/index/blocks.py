"""Codes in memory, by key: what the first stage of a search reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
# 16 MiB of 512-byte codes: a delete moves all rows of a block behind it.
ROWS = 32_768
HEAD_BYTES = 64


class Block(NamedTuple):
    """``keys`` int64 [n], ascending, their ``codes`` uint8 [n, code_bytes] and ``heads``; views."""

    keys: Keys
    codes: Codes
    heads: Codes


def heads_of(codes: Codes) -> Codes:
    """What a scan reads first of ``codes`` uint8 [n, b]: uint8 [n, up to ``HEAD_BYTES``], a copy.

    Of a code of a bit a unit it is every eighth byte, so that units of both towers are in it.
    """
    step = max(1, codes.shape[1] // HEAD_BYTES)
    return np.ascontiguousarray(codes[:, ::step])


class Sharing(Protocol):
    """Lets many share what one alone may change."""

    def shared(self) -> AbstractContextManager[None]:
        """Nobody is ``alone`` inside it."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else is inside it."""
        ...


class SharedLock:
    """Many readers or one writer, who goes before the readers that come after it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writers = threading.Lock()  # one at a time
        self._is_wanted = False
        self._readers = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Wait while a writer is inside or waits."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_wanted)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until the readers that are inside have left."""
        with self._writers:
            try:
                with self._changed:
                    self._is_wanted = True
                    self._changed.wait_for(lambda: not self._readers)
                yield
            finally:
                with self._changed:
                    self._is_wanted = False
                    self._changed.notify_all()


class _Store:
    """Room for ``rows`` codes, of which the first ``filled`` are there."""

    def __init__(self, code_bytes: int, rows: int) -> None:
        self.keys = np.empty(rows, np.int64)
        self.codes = np.empty((rows, code_bytes), np.uint8)  # takes memory as it is filled
        head_bytes = heads_of(self.codes[:0]).shape[1]
        is_whole = head_bytes == code_bytes
        self.heads = self.codes if is_whole else np.empty((rows, head_bytes), np.uint8)
        self.filled = 0

    def view(self) -> Block:
        filled = self.filled
        return Block(self.keys[:filled], self.codes[:filled], self.heads[:filled])

    def put(self, keys: Keys, codes: Codes) -> None:
        end = self.filled + len(keys)
        self.keys[self.filled : end], self.codes[self.filled : end] = keys, codes
        self.heads[self.filled : end] = heads_of(codes)
        # Last, because views are taken meanwhile: none has a row that is not there yet.
        self.filled = end

    def drop(self, keys: Keys) -> None:
        """Close the gaps that those of ``keys``, ascending, leave that are here."""
        here = self.view()
        rows = places(here.keys, keys)
        if not len(rows):
            return
        first = rows[0]
        keep = np.ones(len(here.keys) - first, np.bool_)
        keep[rows - first] = False
        left = here.keys[first:][keep], here.codes[first:][keep]  # copies
        self.filled = int(first)
        self.put(*left)


class Blocks:
    """Codes by key, in order of key; many may read while one appends or removes.

    Reading and appending never wait for each other: a row is written where no view reaches.
    Removing moves rows under a scan and waits until nobody reads.
    """

    def __init__(self, code_bytes: int, *, rows: int = ROWS, lock: Sharing | None = None) -> None:
        self.code_bytes = code_bytes
        self._rows = rows
        self._lock = lock or SharedLock()
        self._changing = threading.Lock()  # of those who append and remove
        self._stores: list[_Store] = []

    @property
    def last(self) -> int:
        """The largest key, 0 where there is none."""
        with self._changing:
            return self._last()

    def _last(self) -> int:
        return int(self._stores[-1].view().keys[-1]) if self._stores else 0

    def keys(self) -> Keys:
        """All keys, int64 [n], ascending."""
        with self.reading() as blocks:
            return np.concatenate([np.empty(0, np.int64), *(block.keys for block in blocks)])

    def append(self, keys: Keys, codes: Codes) -> None:
        """``keys`` int64 [n] > 0, ascending and larger than all before; ``codes`` uint8 [n, b].

        Raises ValueError on other keys: searches find a key by its place.
        """
        if not len(keys):
            return
        with self._changing:
            last = self._last()
            if keys[0] <= last or (np.diff(keys) <= 0).any():
                raise ValueError(f"codes come in order of key: {keys[0]} after {last}")
            done = 0
            while done < len(keys):
                store = self._last_with_room()
                end = done + self._rows - store.filled
                store.put(keys[done:end], codes[done:end])
                done = end

    def _last_with_room(self) -> _Store:
        if not self._stores or self._stores[-1].filled == self._rows:
            # Whoever reads goes through the list of before.
            self._stores = [*self._stores, _Store(self.code_bytes, self._rows)]
        return self._stores[-1]

    def remove(self, keys: Sequence[int] | Keys) -> None:
        """Remove those of ``keys`` that are there; a block is gone through once."""
        unwanted = np.unique(np.asarray(keys, np.int64))
        if not len(unwanted):
            return
        with self._changing, self._lock.alone():
            for store in self._stores:
                store.drop(unwanted)
            self._stores = self._merged()

    def _merged(self) -> list[_Store]:
        """The stores without empty ones; two neighbours that fit into one are one.

        Without it the blocks of pictures that are replaced again and again would stay, each with
        a few rows.
        """
        merged: list[_Store] = []
        for store in self._stores:
            if merged and merged[-1].filled + store.filled <= self._rows:
                merged[-1].put(*store.view()[:2])
            elif store.filled:
                merged.append(store)
        return merged

    @contextmanager
    def reading(self) -> Iterator[list[Block]]:
        """The blocks as they are; they stay so inside, and must not be kept."""
        with self._lock.shared():
            yield [store.view() for store in self._stores]


def places(ascending: Keys, wanted: Keys) -> npt.NDArray[np.intp]:
    """Where in ``ascending`` those of ``wanted``, ascending too, stand that are there."""
    if not len(ascending):
        return np.empty(0, np.intp)
    first, end = np.searchsorted(wanted, [ascending[0], ascending[-1] + 1])
    possible = wanted[first:end]
    found = np.searchsorted(ascending, possible)
    rows: npt.NDArray[np.intp] = found[ascending[found] == possible]
    return rows
