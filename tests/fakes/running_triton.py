"""The fake Triton as a process: started, switched, killed, stopped and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class RunningFake:
    """Listens on the same port each time it is started; 0 takes a free one at first."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fakes.triton_v2"),
                *(str(self.repository), str(self.port)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.port = int(self.process.stdout.readline())

    def switch(self, **switches: object) -> dict[str, int]:
        """Returns how often, and by how many at once, the known pictures were asked for."""
        self.process.stdin.write(json.dumps(switches) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None
