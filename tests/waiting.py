"""Waiting on a condition, and no longer than it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT_S = 60


def wait_until(condition: Callable[[], bool], limit_s: float = WAIT_S) -> None:
    """Return once ``condition`` holds; fail after ``limit_s`` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
