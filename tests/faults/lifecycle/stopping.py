"""A server in front of a Triton that takes its time, to be stopped while requests are in flight."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.running_triton import RunningFake
from tests.faults.wire.sent import HOST, Reply, Wire, post
from tests.running_server import RunningServer, running_server
from tests.waiting import wait_until

MOST_AT_A_TIME = 64
STOPPING = {"overloaded", "shutting_down"}  # what a request may be refused with


@dataclass
class Stopping:
    server: RunningServer
    fake: RunningFake
    picture: bytes
    wires: list[Wire] = field(default_factory=list)

    @property
    def operator_port(self) -> int:
        (port,) = re.findall(r"metrics +http://\S+?:(\d+)/metrics", "".join(self.server.messages))
        return int(port)

    def log(self) -> str:
        return "".join(self.server.messages)

    def classify(self) -> bytes:
        """The bytes of a request."""
        return post("/classify", f"Content-Length: {len(self.picture)}") + self.picture

    def ask(self, count: int) -> list[Wire]:
        """As many connections, each with a request sent."""
        made = []
        for _ in range(count):
            wire = Wire(self.server.port)
            self.wires.append(wire)
            made.append(wire)
            assert wire.send(self.classify())
        return made

    def in_flight(self) -> int:
        """Requests behind the gate, as the metrics say."""
        with Wire(self.operator_port) as wire:
            wire.send(b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n")
            reply = wire.reply()
        assert reply is not None and reply.status == 200
        found = re.findall(rb'^alexnet_gate_requests\{[^}]*"work"[^}]*\} (\S+)', reply.body, re.M)
        assert len(found) == 1, reply.body.decode()
        return int(float(found[0]))

    def wait_for_in_flight(self, count: int) -> None:
        wait_until(lambda: self.in_flight() == count)

    def tell(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal; returns when."""
        self.server.process.send_signal(number)
        return time.monotonic()

    def ended(self, limit_s: float) -> int:
        """The exit code."""
        return self.server.process.wait(limit_s)


def get(port: int, path: str) -> Reply | None:
    """The reply on a new connection; None where there is none to be had."""
    try:
        with Wire(port) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
            return wire.reply()
    except ConnectionRefusedError:
        return None


@contextmanager
def stopping(repository: Path, picture: bytes, folder: Path, *flags: str) -> Iterator[Stopping]:
    """A server that lets 64 requests in at a time, and the fake Triton behind it."""
    fake = RunningFake(repository)
    fake.start()
    engine = ("--engine", f"triton://127.0.0.1:{fake.port}")
    most = ("--max-requests", str(MOST_AT_A_TIME))
    try:
        with running_server(repository, folder / "index.sqlite", *engine, *most, *flags) as server:
            made = Stopping(server, fake, picture)
            wait_until(lambda: (ready := get(server.port, "/readyz")) and ready.status == 200)
            yield made
            for wire in made.wires:
                wire.close()
    finally:
        fake.kill()
