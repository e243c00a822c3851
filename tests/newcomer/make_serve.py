"""`make serve` as a newcomer runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.running_server import clean_environment

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 900


@dataclass(frozen=True)
class Made:
    url: str
    messages: str
    folder: Path


def make_serve(folder: Path, *words: str, **environment: str) -> Iterator[Made]:
    """Run `make serve` with everything it writes below ``folder``, until it listens."""
    places = (f"{name.upper()}={folder / name}" for name in ("repository", "runs", "digits"))
    process = subprocess.Popen(
        ["make", "serve", "PORT=0", f"INDEX={folder / 'index.sqlite'}", *places, *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean_environment(), "MAKEFLAGS": "", **environment},
        start_new_session=True,
    )
    messages: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        for line in process.stderr:
            messages.append(line)
            if line.startswith("serving"):
                listening.set()
        listening.set()

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        listening.wait(START_LIMIT_S)
        text = "".join(messages)
        found = re.search(r"^serving +(http://\S+)", text, re.MULTILINE)
        assert found, text
        yield Made(found[1], text, folder)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        reader.join()
        process.stderr.close()
