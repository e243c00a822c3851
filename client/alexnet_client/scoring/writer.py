"""Results to disk, in order: features first, then the lines that speak of them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_client.scoring.features_file import FeaturesFile
from alexnet_client.scoring.ledger import Ledger
from alexnet_client.scoring.line import Line

COMMIT_EVERY_S = 0.5  # what a kill may cost


@dataclass(frozen=True, eq=False)
class _Result:
    number: int
    line: Line
    features: NDArray[np.float32] | None


class Writer:
    """Writes results as they come, in groups; a line is there only once its features are.

    Args:
        ledger: gets the lines.
        features: gets their features, or None.
    """

    def __init__(self, ledger: Ledger, features: FeaturesFile | None) -> None:
        self._ledger, self._features = ledger, features
        self._old = ledger.done  # pictures below have a line already, and get a new one
        self._came: deque[_Result] = deque()
        self._waiting: dict[int, Line] = {}  # for the lines before them
        self._one_writes = threading.Lock()
        self._is_broken = False
        self._is_over = asyncio.Event()

    @property
    def next_number(self) -> int:
        """The first picture that has no line on the disk."""
        return self._ledger.done

    def put(self, number: int, line: Line, features: NDArray[np.float32] | None) -> None:
        """Take the result of a picture, in any order."""
        self._came.append(_Result(number, line, features))

    async def run(self) -> None:
        """Write now and then until `end`.

        Raises:
            OSError: it cannot be written; the files are as they were before.
        """
        while not self._is_over.is_set():
            try:
                async with asyncio.timeout(COMMIT_EVERY_S):
                    await self._is_over.wait()
            except TimeoutError:
                pass
            await asyncio.to_thread(self.commit)

    def end(self) -> None:
        """Let `run` write what there is, and return."""
        self._is_over.set()

    def commit(self) -> None:
        """Write what came, durably: the lines up to the first picture that is not there yet.

        Raises:
            OSError: it cannot be written; the files are as they were before.
        """
        with self._one_writes:
            if self._is_broken:
                return  # what follows a failed write could not be in order
            try:
                self._commit()
            except OSError:
                self._is_broken = True
                raise

    def _commit(self) -> None:
        again: dict[int, Line] = {}
        is_empty = not self._came
        while self._came:
            result = self._came.popleft()
            if self._features is not None:
                self._features.write(result.number, result.features)
            lines = again if result.number < self._old else self._waiting
            lines[result.number] = result.line
        if is_empty:
            return
        if self._features is not None:
            self._features.sync()
        if again:
            self._ledger.replace(again)
        done = self._ledger.done
        in_order: list[Line] = []
        while (line := self._waiting.pop(done + len(in_order), None)) is not None:
            in_order.append(line)
        if in_order:
            self._ledger.append(in_order)
