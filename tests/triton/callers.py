"""Clients that keep asking while something happens to the Triton they ask."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import numpy as np

from tests.triton.asking import Answer, Caller

THREADS = 4
PAUSE_S = 0.03  # the rate of the load: up to 130 a second, and cores left for what happens
WAIT_S = 60


@dataclass
class Callers:
    """Each thread asks for one picture after another, and knows each version's answer to it.

    ``answered`` counts right answers by version; ``wrong`` holds every other outcome.
    """

    caller: Caller
    pictures: np.ndarray
    known: dict[str, Answer]
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False

    def wait_for(self, version: str, count: int = 20) -> None:
        """Until ``count`` more answers of ``version`` have come, or something was wrong."""
        with self._news:
            enough = self.answered[version] + count
            assert self._news.wait_for(
                lambda: self.answered[version] >= enough or self.wrong, WAIT_S
            ), f"no answers of version {version}, but {self.answered}"

    def ask_on(self, first: int) -> None:
        number = first
        while not self._ended:
            time.sleep(PAUSE_S)
            number = (number + THREADS) % len(self.pictures)
            try:
                found = self.caller.ask(self.pictures[number : number + 1])
            except grpc.RpcError as error:
                self._note("", f"{error.code()}: {error.details()}")
                continue
            known = self.known.get(found.version)
            right = known is not None and found.is_of(known, number)
            self._note(found.version, "" if right else f"picture {number}: no answer of its own")

    def end(self) -> None:
        self._ended = True

    def _note(self, version: str, wrong: str) -> None:
        with self._news:
            if wrong:
                self.wrong.append(f"version {version or '?'}, {wrong}")
            else:
                self.answered[version] += 1
            self._news.notify_all()


@contextmanager
def asking(caller: Caller, pictures: np.ndarray, known: dict[str, Answer]) -> Iterator[Callers]:
    """Callers at work; ``known`` may gain versions meanwhile."""
    callers = Callers(caller, pictures, known)
    threads = [threading.Thread(target=callers.ask_on, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.end()
        for thread in threads:
            thread.join()
