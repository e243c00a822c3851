"""What a process and its children use, from /proc."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

_EVERY_S = 0.25


def cpu_s(pid: int) -> float:
    """CPU seconds of a process tree since its processes started."""
    total = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def rss_mb(pid: int) -> float:
    """Resident megabytes of a process tree; pages that two of them share count twice."""
    total = 0
    for process in _tree(pid):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


class Peak:
    """The largest ``rss_mb`` while the block runs, looked at four times a second."""

    def __init__(self, pid: int) -> None:
        self.mb = rss_mb(pid)
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_EVERY_S):
            self.mb = max(self.mb, rss_mb(self._pid))
