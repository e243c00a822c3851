"""What SIGTERM and SIGINT do: end a process that starts, stop a server that runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType


def end_when_told() -> None:
    """End the process at SIGTERM or SIGINT: while it starts, nothing is owed to anybody.

    An exception instead would be lost, or change into another, inside an import of a C extension.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))


def stop_when_told(stop: Callable[[], None]) -> None:
    """Call ``stop`` at the first SIGTERM or SIGINT (Ctrl-C); a second one ends the process."""

    def first(_number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda again, _frame: os._exit(128 + again))
        stop()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, first)
