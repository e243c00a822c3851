"""The servers that are compared, each in a process of its own on a free port."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local_triton.running import running_triton

from tests.running_server import clean_environment, running_server

_ROOT = Path(__file__).resolve().parents[2]
_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 20.0
_SOURCES = ("", "server", "export", "training")


@dataclass(frozen=True)
class Served:
    """Where a server listens, how it is asked, and the root of its process tree."""

    kind: str
    pid: int
    port: int
    path: str
    precision: str


@contextmanager
def ours(repository: Path, folder: Path, precision: str, most: int) -> Iterator[Served]:
    """`alexnet-server serve`, that lets ``most`` requests in: by default it refuses the 17th."""
    flags = ("--max-requests", str(most))
    index = folder / f"{precision}.sqlite"
    with running_server(repository, index, *flags) as server:
        yield Served("http", server.process.pid, server.port, "/classify?top_k=1", precision)


@contextmanager
def triton(repository: Path, folder: Path) -> Iterator[Served]:
    """The local Triton on our towers, as `make triton` starts it."""
    with running_triton(repository, folder / "triton.log") as server:
        port = int(server.grpc.rpartition(":")[2])
        yield Served("triton", server.process.pid, port, "", "fp32")


@contextmanager
def peer(python: Path, name: str, checkpoint: Path, folder: Path) -> Iterator[Served]:
    """A server of this package, ``flask`` or ``litserve``, by the peers' own Python.

    Raises RuntimeError, with its last messages, where it does not start.
    """
    port = free_port()
    log = folder / f"{name}.log"
    with log.open("wb") as messages:
        process = subprocess.Popen(  # noqa: S603  our own module
            [
                *(python, "-m", f"benchmarks.serving.{name}_server"),
                *(checkpoint.resolve(), str(port)),
            ],
            cwd=_ROOT,
            env=peer_environment(),
            stdout=messages,
            stderr=messages,
            start_new_session=True,
        )
    try:
        wait_for(process, (port, "/health"), log)
        yield Served("http", process.pid, port, "/predict", "fp32")
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a peer that leads a session, with its workers, which do not all end with it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_LIMIT_S)
    with suppress(ProcessLookupError):  # workers that outlive it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def peer_environment() -> dict[str, str]:
    """Where a peer finds the network and the checkpoint's reader, which are sources here."""
    paths = os.pathsep.join(str(_ROOT / source) for source in _SOURCES)
    return clean_environment() | {"PYTHONPATH": paths}


def wait_for(process: subprocess.Popen[bytes], asked: tuple[int, str], log: Path) -> None:
    """Wait until a port and path answer 200.

    Raises RuntimeError, with the messages in ``log``, where the process ends or takes too long.
    """
    port, path = asked
    deadline = time.monotonic() + _START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    raise RuntimeError(f"the peer did not start:\n{log.read_text(errors='replace')[-4000:]}")


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
