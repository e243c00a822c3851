"""Pictures decoded in a process of their own, and what that took.

Run as a program it reads pictures from stdin, each behind its length in 8 bytes, and writes one
line of JSON for each.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
# What a picture could make the process do beside decoding; importing a module opens files too.
WATCHED = ("subprocess", "os.", "pty.", "socket.", "shutil.", "tempfile.", "ctypes.", "urllib.")
_CODE = (".py", ".pyc", ".so")


@dataclass
class Decoded:
    """``outcome``: pixels, or the error's class; ``cpu_s`` of it; ``grown_kb`` above all before."""

    outcome: str
    cpu_s: float
    grown_kb: int
    events: list[str] = field(default_factory=list)


def decoded(pictures: dict[str, bytes]) -> dict[str, Decoded]:
    """What becomes of each, one after the other in one new process."""
    from tests.faults.pictures.sources import SOURCES  # which takes seconds in the new process

    # What is loaded once is not to be counted.
    first = {name: SOURCES[name]() for name in ("JPEG", "PNG RGB", "WEBP", "JPEG with EXIF")}
    every = [*first.values(), *pictures.values()]
    sent = b"".join(struct.pack(">Q", len(data)) + data for data in every)
    run = subprocess.run(
        [sys.executable, "-m", __spec__.name],
        input=sent,
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert (run.returncode, run.stderr.decode()) == (0, "")
    lines = run.stdout.splitlines()[len(first) :]
    return {name: Decoded(**json.loads(line)) for name, line in zip(pictures, lines, strict=True)}


def _main() -> None:
    from alexnet_pixels.decode import decode
    from alexnet_pixels.errors import PictureError

    events: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(WATCHED) or (event == "open" and not str(arguments[0]).endswith(_CODE)):
            events.append(f"{event} {arguments}"[:200])

    sys.addaudithook(watch)
    while head := sys.stdin.buffer.read(8):
        data = sys.stdin.buffer.read(struct.unpack(">Q", head)[0])
        before = _peak_kb()
        events.clear()
        began = time.process_time()
        try:
            outcome = "pixels" if decode(data).shape == (256, 256, 3) else "another shape"
        except PictureError as error:
            outcome = type(error).__name__
        cpu_s, happened = time.process_time() - began, list(events)
        grown_kb = _peak_kb() - before
        answer = Decoded(outcome, cpu_s, grown_kb, happened)
        sys.stdout.write(json.dumps(vars(answer)) + "\n")


def _peak_kb() -> int:
    # Not getrusage: its peak begins with what the process that started this one had.
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


if __name__ == "__main__":
    _main()
