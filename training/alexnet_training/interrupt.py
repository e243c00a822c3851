"""Ctrl-C as a question the loop asks between batches, so that no file is left half written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from alexnet_training.errors import Interrupted


@contextmanager
def deferred_interrupts(advice: str) -> Iterator[Callable[[], None]]:
    """Gives a function that raises Interrupted, saying ``advice``, once SIGINT has come.

    A second SIGINT ends the process at once, as it always does.  Outside the main thread, where
    Python allows no handlers, nothing is deferred.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    asked = False
    former = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, former)

    def check() -> None:
        if asked:
            raise Interrupted(advice)

    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, former)
