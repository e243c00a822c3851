"""How a process fares while it is under load."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

_MB = 1_000_000


class ProcessSeries:
    """Resident memory, threads and descriptors of a process, sampled; Linux only (/proc)."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self._values: dict[str, list[float]] = defaultdict(list)
        self._cpu_began_s = self._cpu_now_s()

    def sample(self) -> None:
        """Look once."""
        pages = int((self._folder / "statm").read_text().split()[1])
        self._values["rss_mb"].append(round(pages * os.sysconf("SC_PAGESIZE") / _MB, 1))
        self._values["threads"].append(_entries(self._folder / "task"))
        self._values["descriptors"].append(_entries(self._folder / "fd"))

    def span(self, name: str) -> tuple[float, float, float]:
        """The first, the largest and the last value."""
        values = self._values[name]
        return values[0], max(values), values[-1]

    def cpu_s(self) -> float:
        """Seconds of a core that the process has used since this series began."""
        return self._cpu_now_s() - self._cpu_began_s

    def _cpu_now_s(self) -> float:
        after_name = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())
