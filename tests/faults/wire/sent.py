"""Bytes over a socket, and the statuses that come back."""

from __future__ import annotations

import ast
import http.client
import json
import re
import socket
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from tests.faults.size import sized

in_full = pytest.mark.skipif(sized(True, False), reason="make faults")
TABLE = Path(__file__).with_name("requests.txt")
HOST = b"Host: localhost\r\n"
WAIT_S = 10  # what ends a read that nothing comes to: a hang, where it is reached
ONCE_MORE = b"GET /livez HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
_REPEATED = re.compile(rb"\{([^{}]*)\*([0-9]+)\}", re.DOTALL)


@dataclass(frozen=True)
class Case:
    name: str
    statuses: tuple[int, ...]
    raw: bytes


def cases() -> list[Case]:
    """The cases of ``requests.txt``."""
    found = []
    for line in TABLE.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            name, statuses, *text = line.split(None, 2)
            expected = () if statuses == "closed" else tuple(map(int, statuses.split(",")))
            found.append(Case(name, expected, _bytes(text[0] if text else "")))
    return found


def _bytes(text: str) -> bytes:
    quoted = text.replace('"', '\\"')
    raw: bytes = ast.literal_eval(f'b"{quoted}"')
    return _REPEATED.sub(lambda found: found[1] * int(found[2]), raw.replace(b"{HOST}", HOST))


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Message
    body: bytes

    @property
    def code(self) -> str:
        """The problem's code; every refusal must have one."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        return json.loads(self.body)["code"]


class Wire:
    """One connection to a server on this machine."""

    def __init__(self, port: int, buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(WAIT_S)
        if buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self._received = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._received.close()
        self.socket.close()

    def send(self, raw: bytes) -> bool:
        """False where the server had closed before all of it was taken."""
        try:
            self.socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def reply(self) -> Reply | None:
        """The next reply; None where the connection is closed instead."""
        try:
            while (line := self._received.readline()).startswith(b"HTTP/1.1 100 "):
                self._received.readline()
            if not line:
                return None
            headers = http.client.parse_headers(self._received)
            body = self._received.read(int(headers["Content-Length"]))
        except ConnectionResetError:
            return None
        return Reply(int(line.split()[1]), headers, body)


def replies(port: int, case: Case) -> list[Reply]:
    """What is answered on a connection on which ``case`` is sent, until it is closed.

    Where it stays open behind the last, it is asked once more, and that reply left out.
    """
    with Wire(port) as wire:
        wire.send(case.raw)
        found: list[Reply] = []
        while len(found) < len(case.statuses):
            reply = wire.reply()
            if reply is None:
                return found
            found.append(reply)
        if not case.statuses:
            wire.socket.shutdown(socket.SHUT_WR)
        elif found[-1].headers["Connection"] != "close" and found[-1].status < 500:
            wire.send(ONCE_MORE)
            last = wire.reply()
            assert last is not None and last.status == 200, f"{case.name}: {last} behind {found}"
        extra = wire.reply()
        return found if extra is None else [*found, extra]


def post(path: str, *headers: str) -> bytes:
    """The head of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()
