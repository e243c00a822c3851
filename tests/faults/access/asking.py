"""Requests byte by byte, and a server that asks for a key."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from tests.running_server import RunningServer
from tests.waiting import WAIT_S

READ, WRITE, NEW, UNKNOWN = (
    hashlib.sha256(name).hexdigest() for name in (b"read", b"write", b"new", b"unknown")
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        """The problem's code; "" where it is none."""
        is_problem = self.headers["Content-Type"] == "application/problem+json"
        return json.loads(self.body)["code"] if is_problem else ""


class _Received(io.BytesIO):
    def makefile(self, *_: object) -> io.BytesIO:
        return self


def ask(port: int, request: bytes, *headers: bytes, body: bytes = b"") -> Answer:
    """The answer to ``METHOD /path`` with exactly these headers, and two that end the message."""
    framing = (b"Connection: close", b"Content-Length: %d" % len(body))
    version = b"" if b" HTTP/" in request else b" HTTP/1.1"
    raw = b"\r\n".join([request + version, *headers, *framing, b"", body])
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        connection.sendall(raw)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    reply = http.client.HTTPResponse(_Received(received), method=request.split()[0].decode())
    reply.begin()
    answer = Answer(reply.status, reply.headers, reply.read())
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    return answer


def bearer(key: str) -> bytes:
    return f"Authorization: Bearer {key}".encode()


def metrics_port(server: RunningServer) -> int:
    return int(re.search(r"^metrics +http://[^/]+:(\d+)/", "".join(server.messages), re.M)[1])


@dataclass(frozen=True)
class Keyed:
    server: RunningServer
    file: Path

    def ask(self, request: bytes, *headers: bytes, body: bytes = b"") -> Answer:
        return ask(self.server.port, request, b"Host: any.example", *headers, body=body)
