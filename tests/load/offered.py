"""Offering a load to a server from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.load.report import Report, Times
from tests.running_server import RunningServer

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Offering:
    """``pictures`` sent to ``path`` in turn, while ``watch`` and the metrics are looked at."""

    server: RunningServer
    pictures: Sequence[Path]
    path: str = "/classify"
    watch: Sequence[str] = ("/livez", "/readyz")

    def at(self, rate: float, seconds: float) -> Report:
        """``rate`` requests a second for ``seconds``, whatever comes back."""
        return self._run("--rate", str(rate), "--seconds", str(seconds))

    def by(self, callers: int, seconds: float) -> Report:
        """``callers`` at a time, each of which asks again once it is answered."""
        return self._run("--callers", str(callers), "--seconds", str(seconds))

    def _metrics_url(self) -> str:
        """On the operator's port, as the server announced it."""
        (line,) = (one for one in self.server.messages if one.startswith("metrics"))
        return line.split()[1]

    def _run(self, *how: str) -> Report:
        url = self.server.url
        command = [
            *(sys.executable, "-m", "tests.load.open_loop", url + self.path, *how),
            *("--pid", str(self.server.process.pid), "--picture", *map(str, self.pictures)),
            *("--watch", *(url + path for path in self.watch), self._metrics_url()),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
        return _read(json.loads(done.stdout))


def _read(found: dict[str, Any]) -> Report:
    for name in ("times", "watched"):
        found[name] = {key: Times(**values) for key, values in found[name].items()}
    return Report(**found)
