"""Headers in which a proxy says who asked: counted from the one proxy that is trusted alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.wire.sent import HOST, Wire, in_full
from tests.running_server import RunningServer, running_server
from tests.waiting import wait_until

FORGED = (
    b"X-Forwarded-For: 192.0.2.99\r\n"
    b"X-Real-IP: 192.0.2.99\r\n"
    b"Forwarded: for=192.0.2.99;host=evil.example;proto=https\r\n"
    b"X-Forwarded-Host: evil.example\r\n"
    b"X-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Port: 6666\r\n"
)


def line_of(server: RunningServer, name: str, headers: bytes) -> str:
    """The line that the server logs about a request that it refuses."""
    with Wire(server.port) as wire:
        wire.send(
            f"GET /images/none HTTP/1.1\r\nX-Request-Id: {name}\r\n".encode()
            + HOST
            + headers
            + b"\r\n"
        )
        reply = wire.reply()
    assert reply is not None and reply.status == 404
    for part in (str(reply.headers).encode(), reply.body):
        assert b"evil.example" not in part and b"192.0.2.99" not in part
    wait_until(lambda: any(f'"{name}"' in line for line in server.messages))
    (line,) = [line for line in server.messages if f'"{name}"' in line]
    return line


def test_from_anybody_they_say_nothing(server: RunningServer) -> None:
    line = line_of(server, "forged", FORGED)
    assert '"peer": "127.0.0.1"' in line
    assert "192.0.2.99" not in line and "evil.example" not in line


@pytest.mark.parametrize("proxy", ["127.0.0.1", pytest.param("192.0.2.1", marks=in_full)])
def test_of_the_proxy_only_the_address_counts(narrow: Path, tmp_path: Path, proxy: str) -> None:
    with running_server(narrow, tmp_path / "index.sqlite", "--trusted-proxy", proxy) as server:
        line = line_of(server, "forged", FORGED)
        peer = "192.0.2.99" if proxy == "127.0.0.1" else "127.0.0.1"
        assert f'"peer": "{peer}"' in line and "evil.example" not in line
        if peer == "192.0.2.99":  # a client's own, in front of what the proxy adds
            line = line_of(server, "longer", b"X-Forwarded-For: 198.51.100.7, 192.0.2.99\r\n")
            assert '"peer": "192.0.2.99"' in line
