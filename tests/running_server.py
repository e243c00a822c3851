"""A real alexnet-server in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_LIMIT_S = 60


@dataclass(frozen=True)
class RunningServer:
    url: str
    process: subprocess.Popen[str]
    messages: list[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def command(name: str) -> str:
    """A console script of the environment the tests run in."""
    return str(Path(sys.executable).with_name(name))


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ALEXNET_")}


@contextmanager
def running_server(
    repository: Path, index: Path, *flags: str, cwd: Path | None = None
) -> Iterator[RunningServer]:
    process = subprocess.Popen(
        [
            *(command("alexnet-server"), "serve", "--port", "0"),
            *("--repository", str(repository), "--index", f"sqlite:///{index}"),
            *flags,
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        cwd=cwd,
    )
    try:
        yield _listening(process)
    finally:
        process.terminate()
        process.wait(START_LIMIT_S)
        process.stderr.close()


def _listening(process: subprocess.Popen[str]) -> RunningServer:
    messages: list[str] = []
    found: list[str] = []
    heard = threading.Event()

    def listen() -> None:
        for line in process.stderr:
            messages.append(line)
            if match := re.match(r"serving +(http://\S+)", line):
                found.append(match[1])
                heard.set()
        heard.set()

    threading.Thread(target=listen, daemon=True).start()
    assert heard.wait(START_LIMIT_S) and found, f"the server did not start: {''.join(messages)}"
    return RunningServer(found[0], process, messages)
