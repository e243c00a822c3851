"""A local Triton in a process of its own on free ports, for as long as a test or benchmark runs."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

START = Path(__file__).with_name("start.py")
START_LIMIT_S = 120
# On a busy machine the wheel's Python backend now and then aborts while it starts its processes
# (a lock_exception of Boost); a Triton that says no ends with 1, and is not asked again.
STARTS = 3
STOP_LIMIT_S = 60


@dataclass(frozen=True)
class RunningTriton:
    """Where it listens (``host:port`` each), and the file its messages go to."""

    grpc: str
    http: str
    metrics: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running_triton(
    repository: Path, log: Path, model_control: str = "none"
) -> Iterator[RunningTriton]:
    """Start Triton on ``repository``, wait until it is ready, and stop it at the end.

    One thread a model, so that figures do not depend on how many models share how many cores.
    Raises RuntimeError where it ends, or is not ready after START_LIMIT_S seconds.
    """
    triton = _start(repository, log, model_control)
    try:
        for _ in range(STARTS - 1):
            if _is_ready(triton) or triton.process.poll() is None or triton.process.returncode > 0:
                break
            triton = _start(repository, log, model_control)
        if not _is_ready(triton):
            messages = log.read_text(errors="replace")[-12000:]
            raise RuntimeError(f"Triton did not become ready; its last messages:\n{messages}")
        yield triton
    finally:
        triton.process.terminate()
        try:
            triton.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            triton.process.kill()
            triton.process.wait()


def _start(repository: Path, log: Path, model_control: str) -> RunningTriton:
    http, grpc_port, metrics = _free_ports(3)
    arguments = ["--repository", repository, "--model-control", model_control, "--threads", 1]
    ports = ["--http-port", http, "--grpc-port", grpc_port, "--metrics-port", metrics]
    with log.open("wb") as messages:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, START, *map(str, [*arguments, *ports])],
            stdout=messages,
            stderr=messages,
        )
    addresses = (f"127.0.0.1:{port}" for port in (grpc_port, http, metrics))
    return RunningTriton(*addresses, process, log)


def _is_ready(triton: RunningTriton) -> bool:
    """Wait until it is ready, or has ended, or START_LIMIT_S have passed."""
    deadline = time.monotonic() + START_LIMIT_S
    with grpc.insecure_channel(triton.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        while triton.process.poll() is None and time.monotonic() < deadline:
            try:
                if stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=1).ready:
                    return True
            except grpc.RpcError:
                pass
            time.sleep(0.1)  # it is still loading its models
    return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
