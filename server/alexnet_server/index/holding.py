"""When this process comes to keep a generation, and what others are told meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

from alexnet_server.errors import IndexInUse, StorageFailed
from alexnet_server.index.claim import Claim
from alexnet_server.index.database import Database
from alexnet_server.index.generation import progress, standing


class Holding:
    """One generation: nobody's while it is empty, then of the first process that asks for it."""

    def __init__(self, database: Database, generation: int, on_claimed: Callable[[], None]) -> None:
        """``on_claimed`` is called once, before anybody uses what is claimed."""
        self._database = database
        self._generation = generation
        self._on_claimed = on_claimed
        self._lock = threading.Lock()  # held while it is claimed
        self._claim: Claim | None = None
        self._is_over = False

    @property
    def is_held(self) -> bool:
        """Whether it is this process's."""
        return self._claim is not None

    def enter(self, *, writes: bool, builds: bool) -> bool:
        """Whether it is this process's, which it becomes for a write or where it has a picture.

        Raises IndexInUse where it is another's, or is building and ``builds`` is false;
        StorageFailed.
        """
        if self._claim is not None:
            return True
        with self._lock:
            if self._is_over:
                raise StorageFailed("the index is closed")
            if self._claim is None and (not self._is_empty(builds) or writes):
                self._claim = self._claimed(builds)
            return self._claim is not None

    def release(self) -> None:
        """Let another process have it, for good."""
        with self._lock:
            self._is_over = True
            if self._claim is not None:
                self._claim.release()
                self._claim = None

    def _is_empty(self, builds: bool) -> bool:
        with self._database.reading() as connection:
            now = standing(connection, self._generation)
            if now.state == "building" and not builds:
                far = progress(connection, self._generation)
                raise IndexInUse(f"the index of this model is being made: {far} so far")
            return now.is_empty

    def _claimed(self, builds: bool) -> Claim:
        try:
            claim = Claim(self._database.path, self._generation)
        except OSError as error:
            raise self._database.failed("the index cannot be claimed", error) from error
        try:
            self._is_empty(builds)  # asked again, now that nobody else can change the answer
            self._on_claimed()
        except BaseException:
            claim.release()
            raise
        return claim
