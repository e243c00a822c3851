"""Malformed HTTP through a raw socket: refused or closed, at once, and nobody else notices."""

from __future__ import annotations

import time

import pytest

from tests.faults.wire.sent import Case, Wire, cases, post, replies
from tests.running_server import RunningServer

CASES = cases()
AT_ONCE_S = 5.0  # on a busy machine; the worst that these did to waitress 3.0.2 is 32 s


def test_there_are_many_and_each_once() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 150
    refused = [case for case in CASES if all(400 <= status < 600 for status in case.statuses)]
    assert len(refused) >= 130


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_is_answered_as_written(server: RunningServer, case: Case) -> None:
    began = time.monotonic()
    found = replies(server.port, case)
    assert tuple(reply.status for reply in found) == case.statuses
    assert time.monotonic() - began < AT_ONCE_S
    for reply in found:
        assert reply.status < 500 or reply.status == 501
        assert reply.status == 200 or reply.code
        assert b"raceback" not in reply.body and b"/alexnet" not in reply.body


def test_a_refused_header_is_not_repeated(server: RunningServer) -> None:
    with Wire(server.port) as wire:
        wire.send(b"GET /livez HTTP/1.1\r\nAuthorization: Bearer sesame\n\r\n\r\n")
        reply = wire.reply()
    assert reply is not None and reply.code == "bad_request" and b"sesame" not in reply.body


def test_the_same_server_answers_after_all_of_them(server: RunningServer, picture: bytes) -> None:
    assert server.process.poll() is None
    with Wire(server.port) as wire:
        wire.send(post("/classify", f"Content-Length: {len(picture)}") + picture)
        answer = wire.reply()
    assert answer is not None and answer.status == 200, answer
