"""SIGTERM: what has come is answered, nobody is cut off, and it is over within its time."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from alexnet_server.listening import MAX_CONNECTIONS
from alexnet_server.serve import UNFINISHED
from tests.faults.lifecycle.stopping import MOST_AT_A_TIME, STOPPING, get, stopping
from tests.faults.wire.sent import HOST, Reply, Wire, in_full, post
from tests.waiting import wait_until

DRAIN_S = 20  # the default


def outcomes(wires: list[Wire]) -> Counter[str]:
    """How many had which answer; each must have one, whole and with a code where it refuses."""
    found: Counter[str] = Counter()
    for wire in wires:
        reply = wire.reply()
        assert reply is not None, "a request was cut off without an answer"
        found["ok" if reply.status == 200 else reply.code] += 1
    return found


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=in_full)], ids=["TERM", "INT"]
)
def test_200_in_flight_are_all_answered(
    narrow: Path, picture: bytes, tmp_path: Path, number: signal.Signals
) -> None:
    with stopping(narrow, picture, tmp_path) as now:
        now.fake.switch(latency_s=0.5)
        wires = now.ask(200)
        now.wait_for_in_flight(MOST_AT_A_TIME)
        told_s = now.tell(number)
        found = outcomes(wires)
        assert now.ended(DRAIN_S) == 0
        assert time.monotonic() - told_s < DRAIN_S
        assert found["ok"] >= MOST_AT_A_TIME
        assert found.total() == 200 and set(found) <= STOPPING | {"ok"}
        assert "raceback" not in now.log()


def test_who_stands_in_the_line_of_connections_is_answered(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    with stopping(narrow, picture, tmp_path) as now:
        now.tell(signal.SIGSTOP)  # so that nobody is let in before the end begins
        wires = now.ask(200)
        now.tell()
        now.tell(signal.SIGCONT)
        found = outcomes(wires)
        assert set(found) == {"shutting_down"} and found.total() == 200
        assert now.ended(DRAIN_S) == 0


@in_full
def test_who_waits_behind_500_stalled_connections_is_answered(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    with stopping(narrow, picture, tmp_path) as now, contextlib.ExitStack() as stalled:
        for _ in range(MAX_CONNECTIONS):
            stalled.enter_context(Wire(now.server.port)).send(b"GET /li")
        wait_until(lambda: "reached the connection limit" in now.log())
        wires = now.ask(50)
        told_s = now.tell()
        assert outcomes(wires)["shutting_down"] == 50
        assert now.ended(DRAIN_S) == 0
        assert time.monotonic() - told_s < DRAIN_S / 2


def test_while_it_stops_new_requests_are_refused_and_the_rest_goes_on(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    with stopping(narrow, picture, tmp_path) as now, Wire(now.server.port) as kept:
        assert kept.send(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
        first = kept.reply()
        assert first is not None and first.headers["Connection"] is None
        now.fake.switch(latency_s=2)
        wires = now.ask(8)
        now.wait_for_in_flight(8)
        now.tell()
        wait_until(lambda: get(now.operator_port, "/readyz").status == 503)
        assert get(now.server.port, "/readyz").status == 503
        assert get(now.server.port, "/livez").status == 200
        assert get(now.operator_port, "/livez").status == 200
        assert now.in_flight() == 8
        for path, request in (
            ("/classify", now.classify()),
            ("/images", b"GET /images HTTP/1.1\r\n" + HOST + b"\r\n"),
        ):
            with Wire(now.server.port) as wire:
                wire.send(request)
                refused = wire.reply()
                assert refused is not None and refused.code == "shutting_down", path
                assert refused.headers["Retry-After"] == "1"
                assert refused.headers["Connection"] == "close"
                assert wire.reply() is None
        kept.send(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
        last = kept.reply()
        assert last is not None and last.headers["Connection"] == "close"
        for wire in wires:
            answered = wire.reply()
            assert answered is not None and answered.status == 200
            assert answered.headers["Connection"] == "close"
        assert now.ended(DRAIN_S) == 0
        assert get(now.server.port, "/livez") is None and get(now.operator_port, "/livez") is None


def test_an_upload_under_way_is_answered_and_a_stalled_one_not_waited_for(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    with (
        stopping(narrow, picture, tmp_path) as now,
        Wire(now.server.port) as slow,
        Wire(now.server.port) as stalled,
    ):
        half = len(now.classify()) // 2
        slow.send(now.classify()[:half])
        stalled.send(now.classify()[:half])
        wait_until(lambda: get(now.server.port, "/livez").status == 200)  # both were read before
        told_s = now.tell()
        wait_until(lambda: get(now.operator_port, "/readyz").status == 503)
        slow.send(now.classify()[half:])
        reply = slow.reply()
        assert reply is not None and reply.code == "shutting_down"
        assert stalled.reply() is None
        assert now.ended(DRAIN_S) == 0
        assert time.monotonic() - told_s < DRAIN_S / 2


@in_full
def test_what_is_never_answered_is_not_waited_for_longer_than_said(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    flags = ("--request-timeout-s", "600", "--drain-s", "1")
    with stopping(narrow, picture, tmp_path, *flags) as now:
        now.fake.switch(latency_s=600)
        wires = now.ask(3)
        now.wait_for_in_flight(3)
        told_s = now.tell()
        assert now.ended(DRAIN_S) == UNFINISHED
        assert 1 <= time.monotonic() - told_s < DRAIN_S / 2
        assert "stopped after 1 s with 3 requests not answered" in now.log()
        assert all(wire.reply() is None for wire in wires)


def test_a_second_signal_ends_it_at_once(narrow: Path, picture: bytes, tmp_path: Path) -> None:
    with stopping(narrow, picture, tmp_path, "--request-timeout-s", "600") as now:
        now.fake.switch(latency_s=600)
        now.ask(1)
        now.wait_for_in_flight(1)
        now.tell()
        wait_until(lambda: get(now.operator_port, "/readyz").status == 503)
        assert now.server.process.poll() is None
        told_s = now.tell()
        assert now.ended(DRAIN_S) == 128 + signal.SIGTERM
        assert time.monotonic() - told_s < 2


@in_full
def test_a_client_that_never_reads_holds_nothing_up(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    metadata = json.dumps({"text": "x" * 16_000})
    listing = b"GET /images?limit=100 HTTP/1.1\r\n" + HOST + b"\r\n"
    with stopping(narrow, picture, tmp_path) as now:
        stored = httpx.post(
            f"{now.server.url}/images",
            files=[("image", picture + bytes([number])) for number in range(64)],
            data={"metadata": [metadata] * 64},
            timeout=60,
        )
        assert stored.status_code == 200, stored.text
        with Wire(now.server.port, buffer_bytes=1) as wire:
            wire.send(listing * 8)  # 8 MB of answers, more than the kernel keeps
            wait_until(lambda: now.log().count('"route": "/images", "status": 200') == 9)
            told_s = now.tell()
            assert now.ended(DRAIN_S) == 0
            assert 1 < time.monotonic() - told_s < DRAIN_S / 2  # it was given some time


@in_full
def test_a_picture_that_was_stored_is_there_after_the_end(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    with stopping(narrow, picture, tmp_path) as now:
        now.fake.switch(latency_s=0.5)
        wires = []
        for number in range(8):
            wire = Wire(now.server.port)
            now.wires.append(wire)
            head = post(f"/images/p{number}", f"Content-Length: {len(picture)}")
            wire.send(head.replace(b"POST", b"PUT") + picture)
            wires.append(wire)
        now.wait_for_in_flight(8)
        now.tell()
        replies: list[Reply | None] = [wire.reply() for wire in wires]
        assert [reply and reply.status for reply in replies] == [201] * 8, replies
        assert now.ended(DRAIN_S) == 0
    with stopping(narrow, picture, tmp_path) as again:
        for number in range(8):
            assert get(again.server.port, f"/images/p{number}").status == 200
