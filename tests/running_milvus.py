"""A milvus-lite server in a process of its own, on a free port: Milvus's wire, without a cluster.

It is ended by a signal and its folder is thrown away: what it keeps is not durable, and an index
file of it that was half written cannot be opened again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_until

_END_S = 30


@dataclass(frozen=True)
class RunningMilvus:
    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def running_milvus(folder: Path) -> Iterator[RunningMilvus]:
    """A server that keeps its collections in ``folder``."""
    port = _free_port()
    log = folder / "messages"
    with log.open("wb") as messages:
        process = subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-m",
                    "milvus_lite",
                    "server",
                    "--data-dir",
                    str(folder / "data"),
                ),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            stdout=messages,
            stderr=messages,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, log.read_text()
        yield RunningMilvus(f"127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(_END_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
