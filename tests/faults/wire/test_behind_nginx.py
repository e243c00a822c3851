"""deploy/nginx/alexnet.conf in front of a server, where nginx is installed."""

from __future__ import annotations

import getpass
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.wire.sent import HOST, ONCE_MORE, Case, Wire, cases, in_full, post
from tests.running_server import RunningServer, running_server
from tests.waiting import wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONF = Path(__file__).parents[3] / "deploy" / "nginx" / "alexnet.conf"
SMUGGLING = [
    case for case in cases() if case.name.startswith(("chunked-", "length-", "coding-", "smuggled"))
]

pytestmark = [in_full, pytest.mark.skipif(NGINX is None, reason="nginx is not installed")]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def adapted(port: int, server_port: int, folder: Path) -> str:
    """The configuration without TLS, with the addresses and folders of this test."""
    text = CONF.read_text().replace("_temp_path /tmp/", f"_temp_path {folder}/")
    for written, here in (
        ("listen 8443 ssl;", f"listen 127.0.0.1:{port};"),
        ("ssl_certificate /run/secrets/certificate;", ""),
        ("ssl_certificate_key /run/secrets/certificate_key;", ""),
        ("server server:8080 ", f"server 127.0.0.1:{server_port} "),
        ("/var/cache/nginx/", f"{folder}/"),
        ("pid /tmp/", f"user {getpass.getuser()};\npid {folder}/"),
    ):
        assert text.count(written) == 1, written
        text = text.replace(written, here)
    return text


@pytest.fixture(scope="module")
def server(narrow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    index = tmp_path_factory.mktemp("index") / "index.sqlite"
    with running_server(narrow, index, "--trusted-proxy", "127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def front(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    conf = folder / "alexnet.conf"
    conf.write_text(adapted(port, server.port, folder))
    tried = subprocess.run([NGINX, "-t", "-c", conf], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    process = subprocess.Popen([NGINX, "-c", conf, "-g", "daemon off;"])
    try:
        wait_until(lambda: answers(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    with suppress(ConnectionRefusedError), Wire(port) as wire:
        wire.send(ONCE_MORE)
        reply = wire.reply()
        return reply is not None and reply.status == 200
    return False


@pytest.mark.parametrize("case", SMUGGLING, ids=[case.name for case in SMUGGLING])
def test_no_request_comes_through_in_another(front: int, server: RunningServer, case: Case) -> None:
    """Whatever nginx makes of it, the server sees no request but those that nginx counts."""
    with Wire(front) as wire:
        wire.send(case.raw)
        statuses = []
        while (reply := wire.reply()) is not None:
            if not statuses:
                wire.socket.shutdown(socket.SHUT_WR)
            statuses.append(reply.status)
    assert 1 <= len(statuses) <= 2 and 500 not in statuses
    if case.name in ("chunked-and-length", "length-and-chunked", "smuggled", "chunked-in-1.0"):
        assert statuses == [400]
    assert not any('"route": "/readyz"' in line for line in server.messages)


def test_a_picture_comes_through(front: int, server: RunningServer, picture: bytes) -> None:
    with Wire(front) as wire:
        wire.send(
            post(
                "/classify",
                "Transfer-Encoding: chunked",
                "X-Request-Id: from-the-client",
                "X-Forwarded-For: 192.0.2.99",
            )
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(picture), picture)
        )
        reply = wire.reply()
    assert reply is not None and reply.status == 200
    assert reply.headers["X-Request-Id"] == "from-the-client"
    wait_until(lambda: any('"from-the-client"' in line for line in server.messages))
    assert "192.0.2.99" not in "".join(server.messages)


def test_metrics_are_not_there(front: int) -> None:
    with Wire(front) as wire:
        wire.send(b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n")
        reply = wire.reply()
    assert reply is not None and (reply.status, reply.code) == (404, "not_found")


def test_its_own_refusals_have_the_servers_form(front: int) -> None:
    with Wire(front) as wire:
        wire.send(post("/classify", "Content-Length: 1000000000"))
        reply = wire.reply()
    assert reply is not None and (reply.status, reply.code) == (413, "request_too_large")
    most, more = 16, 5  # connections of an address with a request on them, and beyond
    wires = [Wire(front) for _ in range(most + more)]
    try:
        for wire in wires:
            wire.send(post("/classify", "Content-Length: 10"))  # of which nothing comes
        refused: set[Wire] = set()

        def are_refused() -> bool:
            readable, *_ = select.select([wire.socket for wire in wires], [], [], 0)
            refused.update(wire for wire in wires if wire.socket in readable)
            return len(refused) == more

        wait_until(are_refused)
        for wire in refused:
            answer = wire.reply()
            assert answer is not None and (answer.status, answer.code) == (503, "overloaded")
            assert answer.headers["Retry-After"] == "1"
    finally:
        for wire in wires:
            wire.close()
