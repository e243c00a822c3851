"""Threads that run the steps of one wave at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")

# Threads start when they are needed; where all are at work, a step waits for one of them.
_MAX_THREADS = 64


class Crew:
    """Runs calls beside each other; safe to use from many threads at once."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="alexnet-step")

    def run(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        """What each call returns, in order; the first runs on the calling thread.

        Returns when all have ended, and then raises the first of their exceptions.
        """
        running = [self._threads.submit(call) for call in calls[1:]]
        try:
            first = calls[0]()
        finally:
            wait(running)
        return [first, *(call.result() for call in running)]
