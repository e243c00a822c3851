"""A server without keys on loopback, asked as other sites' pages and forged headers would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.access.asking import Answer, ask, bearer
from tests.faults.size import sized
from tests.running_server import RunningServer, running_server
from tests.waiting import wait_until

HOST = b"Host: localhost:%d"
FORM = b"Content-Type: application/x-www-form-urlencoded"
EVERYTHING = (
    *(b"GET /", b"GET /livez", b"GET /model", b"GET /images", b"GET /images/kept/thumbnail"),
    *(b"POST /classify", b"POST /images", b"PUT /images/kept", b"DELETE /images/kept"),
    *(b"POST /images/delete", b"OPTIONS /images", b"GET /nothing", b"BREW /images"),
)
NOT_OPEN = EVERYTHING[2:]


@pytest.fixture
def server(keyless: RunningServer, picture: bytes) -> Iterator[RunningServer]:
    """With one picture in its index, which must be there afterwards."""
    own = HOST % keyless.port
    assert ask(keyless.port, b"PUT /images/kept", own, body=picture).status in (200, 201)
    yield keyless
    listed = json.loads(ask(keyless.port, b"GET /images", own).body)
    assert [one["id"] for one in listed["images"]] == ["kept"]


@pytest.mark.parametrize(
    "headers",
    [
        (b"Host: evil.example",),
        (b"Host: evil.example:8080",),
        (b"Host: localhost.evil.example",),
        (b"Host: 127.0.0.1.evil.example",),
        (b"Host: 10.0.0.1",),
        (b"Host: 0.0.0.0",),
        (b"Host: [::2]",),
        (b"Host: localhost@evil.example",),
        (b"Host: evil.example", b"X-Forwarded-Host: localhost"),
        (b"Host: evil.example", b"Forwarded: host=localhost"),
        (b"Host: evil.example", bearer("x" * 43)),
        (b"Host: \xe9vil.example",),
        (b"Host: xn--vil-9la.example",),
        (b"Host:",),
        (),
    ],
)
def test_a_rebound_name_reaches_nothing(server: RunningServer, headers: tuple[bytes]) -> None:
    for request in EVERYTHING:
        answer = ask(server.port, request, *headers)
        # waitress itself refuses what it cannot read as a Host
        refused = (answer.status, answer.code) == (403, "foreign_host") or answer.status == 400
        assert refused or (request[:4] == b"BREW" and answer.status >= 400), (request, answer)


def test_hosts_that_contradict_each_other_are_refused(server: RunningServer) -> None:
    for headers in (
        (b"Host: localhost", b"Host: evil.example"),
        (b"Host: evil.example", b"Host: localhost"),
    ):
        assert 400 <= ask(server.port, b"GET /model", *headers).status < 500
    # The address of a request in absolute form is never looked at: Host alone decides.
    absolute = b"GET http://localhost/model HTTP/1.1"
    assert 400 <= ask(server.port, absolute, b"Host: evil.example").status < 500


def test_names_of_this_machine_are_served(server: RunningServer) -> None:
    for host in (b"localhost", b"127.0.0.1", b"[::1]", b"LOCALHOST", b"127.0.0.2"):
        for port in (b"", b":80", b":%d" % server.port):
            assert ask(server.port, b"GET /model", b"Host: " + host + port).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        (b"Origin: https://evil.example",),
        (b"Origin: null",),
        (b"Origin: http://localhost:1",),
        (b"Origin: http://localhost",),
        (b"Origin: file://",),
        (b"Origin:",),
        (b"Origin: \xff",),
        (b"Sec-Fetch-Site: cross-site",),
        (b"Sec-Fetch-Site: same-site",),
        (b"Origin: https://evil.example", b"Sec-Fetch-Site: same-origin"),
        (b"Origin: https://evil.example", b"X-Requested-With: XMLHttpRequest"),
    ],
)
def test_another_sites_page_reaches_nothing(
    server: RunningServer, headers: tuple[bytes], picture: bytes
) -> None:
    own = HOST % server.port
    for request in NOT_OPEN:
        answer = ask(server.port, request, own, FORM, *headers, body=b"ids=kept")
        assert answer.code == "foreign_origin" or request[:4] == b"BREW", (request, answer)
        assert answer.status >= 400
    assert ask(server.port, b"PUT /images/new", own, *headers, body=picture).status == 403
    assert ask(server.port, b"GET /", own, *headers).status == 200


def test_a_preflight_is_never_granted(server: RunningServer) -> None:
    asked = (b"Access-Control-Request-Method: DELETE", b"Access-Control-Request-Headers: x")
    for path in (b"/images/kept", b"/", b"/classify", b"*"):
        origin = b"Origin: https://evil.example"
        answer = ask(server.port, b"OPTIONS " + path, HOST % server.port, origin, *asked)
        assert answer.status >= 400  # and `ask` has looked for Access-Control headers


def test_its_own_page_may_ask(server: RunningServer) -> None:
    origin = b"Origin: http://localhost:%d" % server.port
    own = (HOST % server.port, origin, b"Sec-Fetch-Site: same-origin")
    answer = ask(server.port, b"POST /search", *own, body=b"no picture")
    assert answer.status == 415


def forwarded(server: RunningServer, name: bytes) -> tuple[Answer, dict]:
    """An answer, and the log's line, where the sender says to have been forwarded."""
    headers = (
        *(b"X-Request-Id: " + name, b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-Proto: https"),
        *(b"X-Forwarded-Host: evil.example", b"X-Forwarded-Port: 1", b"X-Forwarded-By: 1.1.1.1"),
        *(b"Forwarded: for=203.0.113.9;host=evil.example", b"X-Real-IP: 203.0.113.9"),
    )
    answer = ask(server.port, b"GET /images/none", HOST % server.port, *headers)
    lines: list[dict] = []

    def is_logged() -> bool:
        lines[:] = [
            json.loads(line)
            for line in server.messages
            if name.decode() in line and line.startswith("{")
        ]
        return bool(lines)

    wait_until(is_logged)
    return answer, lines[0]


def test_nobody_is_believed_to_be_a_proxy(server: RunningServer) -> None:
    answer, line = forwarded(server, b"untrusted")
    assert line["peer"] == "127.0.0.1"
    text = str(answer.headers).encode() + answer.body + json.dumps(line).encode()
    assert b"evil.example" not in text
    assert b"203.0.113.9" not in text


TRUSTED, ANOTHER = ("127.0.0.1", "203.0.113.9"), ("10.9.9.9", "127.0.0.1")


@pytest.mark.parametrize(("proxy", "peer"), sized([TRUSTED], [TRUSTED, ANOTHER]))
def test_only_the_trusted_proxy_names_the_sender(
    repository: Path, tmp_path: Path, proxy: str, peer: str
) -> None:
    flags = ("--metrics-port", "0", "--trusted-proxy", proxy)
    with running_server(repository, tmp_path / "index", *flags) as server:
        answer, line = forwarded(server, b"forwarded")
        assert line["peer"] == peer
        assert b"evil.example" not in str(answer.headers).encode() + answer.body
        # Nor does its Host count: the name is still checked against the request's own.
        foreign = (b"Host: evil.example", b"X-Forwarded-Host: localhost")
        assert ask(server.port, b"GET /model", *foreign).code == "foreign_host"
