"""Stops asking a backend that fails again and again, and finds out when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum

FAILURES = 5
OPEN_S = 1.0


class Turn(Enum):
    """What a caller may do: one that is let in must ``leave`` with the same turn."""

    REFUSED = 0
    CALL = 1
    PROBE = 2


class Breaker:
    """Open after ``failures`` in a row; ``open_s`` seconds later one probe at a time is let in.

    A probe that succeeds closes it.  Safe to call from many threads.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._open_s = open_s
        self._clock = clock
        self._lock = threading.Lock()  # guards the three below
        self._failures = 0
        self._open_until: float | None = None  # None: closed
        self._is_probing = False

    def enter(self) -> Turn:
        """Whether the backend may be asked now."""
        with self._lock:
            if self._open_until is None:
                return Turn.CALL
            if self._is_probing or self._clock() < self._open_until:
                return Turn.REFUSED
            self._is_probing = True
            return Turn.PROBE

    def leave(self, turn: Turn, *, succeeded: bool | None) -> bool:
        """Tell how a call ended; returns whether that opened the breaker.

        None says nothing of the backend: after such a probe the next caller is one.  A call that
        was let in before the breaker opened changes nothing any more.
        """
        with self._lock:
            if turn is Turn.PROBE:
                self._is_probing = False
            elif self._open_until is not None:
                return False
            if succeeded is None:
                return False
            if succeeded:
                self._failures, self._open_until = 0, None
                return False
            self._failures += 1
            if turn is Turn.PROBE or self._failures >= self._most:
                self._open_until = self._clock() + self._open_s
            return self._open_until is not None
