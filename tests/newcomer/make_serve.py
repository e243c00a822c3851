"""`make serve` as a newcomer runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.running_server import clean_environment

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 900
PATIENCE_S = 60.0  # many photos in a request, while other tests have the processor


@dataclass(frozen=True)
class Made:
    """``heard``: every line, and how many seconds after the beginning it came."""

    url: str
    heard: tuple[tuple[float, str], ...]
    folder: Path

    @property
    def messages(self) -> str:
        return "".join(line for _, line in self.heard)

    def second_of(self, text: str) -> float:
        """When the first line with ``text`` came."""
        return next(second for second, line in self.heard if text in line)


def fresh_serve(folder: Path) -> Iterator[Made]:
    """Clone this checkout's last commit to ``folder`` and run `make serve` there, until it listens.

    Seconds count from before the clone.
    """
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    yield from _serve(folder, folder, (), {}, began)


def serve_again(clone: Path, *words: str) -> Iterator[Made]:
    """Run `make serve` with ``words`` in a clone that has been served before."""
    yield from _serve(clone, clone, words, {}, time.monotonic())


def make_serve(folder: Path, *words: str, **environment: str) -> Iterator[Made]:
    """Run `make serve` with everything it writes below ``folder``, until it listens."""
    places = (f"{name.upper()}={folder / name}" for name in ("repository", "runs"))
    every = (f"INDEX={folder / 'index.sqlite'}", *places, *words)
    yield from _serve(ROOT, folder, every, environment, time.monotonic())


def _serve(
    root: Path, folder: Path, words: tuple[str, ...], environment: dict[str, str], began: float
) -> Iterator[Made]:
    process = subprocess.Popen(
        ["make", "serve", "PORT=0", *words],
        cwd=root,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean_environment(), "MAKEFLAGS": "", **environment},
        start_new_session=True,
    )
    heard: list[tuple[float, str]] = []
    listening = threading.Event()

    def listen() -> None:
        for line in process.stderr:
            heard.append((time.monotonic() - began, line))
            if line.startswith("serving"):
                listening.set()
        listening.set()

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        listening.wait(START_LIMIT_S)
        text = "".join(line for _, line in heard)
        found = re.search(r"^serving +(http://\S+)", text, re.MULTILINE)
        assert found, text
        yield Made(found[1], tuple(heard), folder)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        reader.join()
        process.stderr.close()
