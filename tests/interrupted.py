"""``alexnet-export`` in processes that stop at a chosen step: killed, out of space, or waiting.

A step is whatever changes a file or asks for that: Python's audit events tell, so the code under
test has no hook for it.  One process imports everything and forks a child for every command.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate"}
_NEEDS_SPACE = {"os.mkdir", "os.link", "write"}
_LIMIT_S = 120


@dataclass(frozen=True)
class Ended:
    """``status`` is the exit code, or minus the signal; ``steps`` are the names of the steps."""

    status: int
    messages: str
    steps: list[str]

    @property
    def commit(self) -> int:
        """The number of the step that asks for the exchange of the two folders."""
        return self.steps.index("renameat2")


class Commands:
    """Runs commands in children of one process that has imported everything."""

    def __enter__(self) -> Commands:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.interrupted"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(_LIMIT_S)
        self._process.stdout.close()

    def run(self, *arguments: str | Path, **how: object) -> Ended:
        """Run to the end; ``how`` is one of those of ``start``."""
        return self.wait(self.start(*arguments, **how))

    def start(
        self,
        *arguments: str | Path,
        kill_at: int | None = None,
        no_space_from: int | None = None,
        hold: Path | None = None,
        user: int | None = None,
    ) -> int:
        """Start a command; returns its process id.

        It is killed before step ``kill_at``, has no space from step ``no_space_from`` on, or
        makes the file ``hold`` before the exchange and waits until it is gone.
        """
        how = {"kill_at": kill_at, "no_space_from": no_space_from, "user": user}
        how |= {"hold": str(hold) if hold else None}
        return self._ask({"arguments": [str(one) for one in arguments], "how": how})["pid"]

    def wait(self, pid: int) -> Ended:
        """Wait for a command."""
        return Ended(**self._ask({"wait": pid}))

    def _ask(self, question: dict) -> dict:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    from alexnet_export.cli import main
    from alexnet_export.dialects import DIALECTS
    from tests.random_checkpoint import NARROW

    DIALECTS[NARROW.name] = NARROW
    outputs: dict[int, list] = {}
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            answer = _ended(question["wait"], *outputs.pop(question["wait"]))
        else:
            streams = [tempfile.TemporaryFile("w+") for _ in range(2)]  # noqa: SIM115 (_ended)
            pid = os.fork()
            if pid == 0:
                _child(main, question, *(stream.fileno() for stream in streams))
            outputs[pid] = streams
            answer = {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _child(main, question: dict, messages: int, steps: int) -> None:
    status = 99
    try:
        os.dup2(messages, 1)
        os.dup2(messages, 2)
        if question["how"]["user"] is not None:
            os.setgroups([])
            os.setgid(question["how"]["user"])
            os.setuid(question["how"]["user"])
        sys.addaudithook(_hook(steps, **question["how"]))
        status = main(question["arguments"])
    except BaseException:  # noqa: BLE001 (a forked child must not go on as its parent would)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _hook(steps: int, *, kill_at, no_space_from, hold, user):
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        step = _step(event, arguments)
        if step is None:
            return
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if no_space_from is not None and count >= no_space_from and step in _NEEDS_SPACE:
            raise OSError(28, "No space left on device", str(arguments[0]))
        count += 1
        os.write(steps, f"{step}\n".encode())
        if step == "renameat2" and hold:
            Path(hold).touch()
            while Path(hold).exists():
                time.sleep(0.005)

    return hook


def _step(event: str, arguments: tuple) -> str | None:
    if event == "ctypes.dlsym":
        return "renameat2" if arguments[1] == "renameat2" else None
    if event == "open":
        _, mode, _ = arguments
        if mode is None:
            return "os.open"  # fsync opens what it syncs, so this is also the step after a write
        return "write" if set(mode) & set("wax+") else None
    if event == "os.mkdir" and Path(arguments[0]).exists():
        return None
    return event if event in _CHANGES else None


def _ended(pid: int, messages, steps) -> dict:
    _, status = os.waitpid(pid, 0)
    texts = []
    for stream in (messages, steps):
        stream.seek(0)
        texts.append(stream.read())
        stream.close()
    code = os.waitstatus_to_exitcode(status)
    return {"status": code, "messages": texts[0], "steps": texts[1].split()}


if __name__ == "__main__":
    _serve()
