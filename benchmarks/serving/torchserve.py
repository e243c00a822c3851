"""A real TorchServe in a process of its own: one worker, batches of up to 32 within 5 ms."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serving.servers import Served, free_port, peer_environment, stop, wait_for

_HANDLER = Path(__file__).with_name("torchserve_handler.py")
_MODEL = {"marName": "alexnet.mar", "minWorkers": 1, "maxWorkers": 1, "defaultVersion": True}
_BATCHING = {"batchSize": 32, "maxBatchDelay": 5}  # pictures, milliseconds


@contextmanager
def torchserve(python: Path, checkpoint: Path, folder: Path) -> Iterator[Served]:
    """Archive the handler and serve it; Java is needed.

    Raises RuntimeError, with its last messages, where it does not start.
    """
    place = folder / "torchserve"
    place.mkdir()
    port, management, metrics = free_port(), free_port(), free_port()
    environment = peer_environment() | {
        "BENCHMARK_CHECKPOINT": str(checkpoint.resolve()),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "LOG_LOCATION": str(place),
        "METRICS_LOCATION": str(place),
    }
    (place / "config.properties").write_text(_config(port, management, metrics))
    log = place / "messages"
    with log.open("wb") as messages:
        for command in _commands(python, place):
            process = subprocess.Popen(  # noqa: S603  TorchServe's own commands
                command,
                cwd=place,
                env=environment,
                stdout=messages,
                stderr=messages,
                start_new_session=True,
            )
            if command[0].endswith("archiver") and process.wait():
                raise RuntimeError(log.read_text(errors="replace")[-4000:])
    try:
        wait_for(process, (port, "/ping"), log)
        yield Served("http", process.pid, port, "/predictions/alexnet", "fp32")
    finally:
        stop(process)


def _commands(python: Path, place: Path) -> list[list[str]]:
    archive = ["--model-name", "alexnet", "--version", "1.0", "--handler", str(_HANDLER)]
    serve = ["--start", "--foreground", "--ncs", "--disable-token-auth", "--model-store", "."]
    return [
        [str(python.with_name("torch-model-archiver")), *archive, "--export-path", str(place)],
        [
            *(str(python.with_name("torchserve")), *serve, "--models", "alexnet=alexnet.mar"),
            *("--ts-config", "config.properties"),
        ],
    ]


def _config(port: int, management: int, metrics: int) -> str:
    model = json.dumps({"alexnet": {"1.0": _MODEL | _BATCHING}})
    return (
        f"inference_address=http://127.0.0.1:{port}\n"
        f"management_address=http://127.0.0.1:{management}\n"
        f"metrics_address=http://127.0.0.1:{metrics}\n"
        f"models={model}\n"
    )
