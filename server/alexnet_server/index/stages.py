"""The codes of a generation, in memory as they are in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw
import numpy as np

from alexnet_server.engine import Values
from alexnet_server.errors import StorageFailed
from alexnet_server.index import code_rows
from alexnet_server.index.blocks import Codes, Keys
from alexnet_server.index.code_rows import Stage
from alexnet_server.index.coder import Coder
from alexnet_server.index.stored_features import read_keys


@dataclass(frozen=True)
class Added:
    """Pictures that a change stores, and their codes by ``stage``, where there is one."""

    keys: Keys
    stage: Stage | None = None
    codes: Codes | None = None


class Stages:
    """``current`` is what searches use, ``coming`` what takes its place once it is complete.

    Changed by the writer's thread alone, after a commit; searches take ``current`` once.
    """

    def __init__(self, generation: int, units: int) -> None:
        self._generation = generation
        self._units = units
        self.count = 0  # pictures
        self.current: Stage | None = None
        self.coming: Stage | None = None
        self.has_leftovers = False

    def load(self, connection: apsw.Connection, wanted: Coder | None) -> None:
        """Take what the file has; ``wanted`` is the coder to search by, None for any.

        Raises IndexMismatch, StorageFailed.
        """
        keys = read_keys(connection, "generation = ?", (self._generation,))
        self.count = len(keys)
        now = code_rows.current(connection, self._generation)
        numbers = code_rows.all_coders(connection, self._generation)
        if now is not None:
            stage = self._loaded(connection, now, wanted)
            # Where some are damaged or were lost all are made anew; till then searches are exact.
            is_whole = stage is not None and np.array_equal(stage.blocks.keys(), keys)
            self.current = stage if is_whole else None
        if numbers and numbers[-1] > (now or 0):
            stage = self._loaded(connection, numbers[-1], wanted)
            is_wanted = stage is not None and (wanted is None or stage.coder is wanted)
            self.coming = stage if is_wanted else None
        in_use = [stage.number for stage in (self.current, self.coming) if stage is not None]
        self.has_leftovers = numbers != in_use and self.current is not None

    def _loaded(
        self, connection: apsw.Connection, number: int, wanted: Coder | None
    ) -> Stage | None:
        try:
            return code_rows.load(connection, number, self._units, wanted)
        except StorageFailed:  # told in the log; features are the truth, codes can be made again
            return None

    def added(self, connection: apsw.Connection, keys: Sequence[int], features: Values) -> Added:
        """Write the codes of new pictures; ``features`` float32 [n, units]."""
        stored = np.array(keys, np.int64)
        # The file is asked: a switch may stand in the same transaction.
        number = code_rows.current(connection, self._generation)
        for stage in (self.current, self.coming):
            if stage is not None and stage.number == number:
                codes = stage.coder.encode(features)
                code_rows.write(connection, number, stored, codes)
                return Added(stored, stage, codes)
        return Added(stored)

    def applied(self, added: Added | None, removed: Sequence[int]) -> None:
        """Follow a commit.  Where memory runs out the codes are given up, and made anew."""
        self.count += (0 if added is None else len(added.keys)) - len(removed)
        is_done = False
        try:
            if added is not None and added.stage is not None and added.codes is not None:
                added.stage.blocks.append(added.keys, added.codes)
            for stage in (self.current, self.coming):
                if stage is not None:
                    stage.blocks.remove(removed)
            is_done = True
        finally:
            if not is_done:
                self.current = self.coming = None

    def begin(self, stage: Stage) -> None:
        """Follow the commit that wrote a new coder."""
        self.coming = stage

    def switch(self, stage: Stage) -> None:
        """Follow the commit that made ``stage`` the one to search by."""
        self.current, self.coming, self.has_leftovers = stage, None, True

    def swept(self) -> None:
        """Nothing but ``current`` and ``coming`` is left in the file."""
        self.has_leftovers = False
