"""Starts the server's command again and again, each time on another repository.

    python -m tests.faults.promises.starting REPOSITORY...

One process imports everything and forks a child a start.  Each must end by itself: one that goes
on to listen is ended by an alarm.  A line of JSON a start: the exit code, or minus the signal, and
what it said.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from alexnet_server.cli import main

LIMIT_S = 30


def start(root: str) -> tuple[int, str]:
    index = Path(root).parent / "index.sqlite"
    with tempfile.TemporaryFile("w+") as said:
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                signal.alarm(LIMIT_S)
                os.dup2(said.fileno(), 2)
                flags = ("--repository", root, "--index", f"sqlite:///{index}", "--port", "0")
                status = main(["serve", *flags])
            finally:  # a forked child must not go on as its parent would
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read()


if __name__ == "__main__":
    for one in sys.argv[1:]:
        sys.stdout.write(json.dumps(start(one)) + "\n")
        sys.stdout.flush()
