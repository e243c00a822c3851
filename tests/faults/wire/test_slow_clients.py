"""Clients that send nothing, or a byte a second: everybody else is answered as before."""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from alexnet_server.listening import MAX_CONNECTIONS
from tests.faults.size import sized
from tests.faults.wire.sent import HOST, WAIT_S, Wire, in_full, post
from tests.running_server import RunningServer
from tests.waiting import wait_until

STALLED, DRIPPING = 400, 50
ASKED, ROUNDS = 100, sized(1, 3)
MOST_TIMES_IDLE = 2
# A 99th percentile beside other tests is mostly theirs: only the whole suite compares two, and of
# several rounds the quietest.  What a server that gives such clients a thread each misses is the
# first: its threads are all taken, and nobody is answered.
MOST_S = 5
LEAST_S = 0.02


@contextlib.contextmanager
def connections(port: int, count: int, sent: bytes) -> Iterator[list[Wire]]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(Wire(port)) for _ in range(count)]
        for wire in made:
            assert wire.send(sent)
        yield made


def p99_s(client: httpx.Client, picture: bytes) -> float:
    """Of 100 requests, one after the other, all of which must be answered."""
    taken = []
    for _ in range(ASKED):
        began = time.monotonic()
        assert client.post("/classify", content=picture).status_code == 200
        taken.append(time.monotonic() - began)
    return statistics.quantiles(taken, n=100)[98]


def test_450_slow_clients_slow_nobody_down(server: RunningServer, picture: bytes) -> None:
    stalled = post("/classify", f"Content-Length: {len(picture)}") + picture[:500]
    dripped = post("/classify", f"Content-Length: {len(picture)}")
    is_over = threading.Event()

    def drip(wires: list[Wire]) -> None:
        for byte in picture:
            for wire in wires:
                wire.send(bytes([byte]))
            if is_over.wait(1):
                return

    with httpx.Client(base_url=server.url, verify=False, timeout=WAIT_S) as client:
        idle_s = [p99_s(client, picture) for _ in range(ROUNDS)]
        with (
            connections(server.port, STALLED, stalled),
            connections(server.port, DRIPPING, dripped) as slow,
        ):
            dripping = threading.Thread(target=drip, args=(slow,))
            dripping.start()
            try:
                beside_s = [p99_s(client, picture) for _ in range(ROUNDS)]
            finally:
                is_over.set()
                dripping.join()
    assert max(beside_s) < MOST_S
    if ROUNDS > 1:
        assert min(beside_s) < MOST_TIMES_IDLE * min(idle_s) + LEAST_S, (idle_s, beside_s)


def test_beyond_the_limit_of_connections_the_next_waits_its_turn(server: RunningServer) -> None:
    asked = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    with connections(server.port, MAX_CONNECTIONS + 20, asked[:-2]) as made:
        wait_until(lambda: "reached the connection limit" in "".join(server.messages))
        last = made[-1]
        last.send(b"\r\n")
        last.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):  # it is not even accepted
            last.socket.recv(1)
        last.socket.settimeout(WAIT_S)
        for wire in made[:100]:
            wire.close()
        reply = last.reply()
        assert reply is not None and reply.status == 200
    with httpx.Client(base_url=server.url, verify=False, timeout=WAIT_S) as client:
        assert client.get("/livez").status_code == 200


def test_idle_connections_make_room_for_new_ones(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(
            MAX_CONNECTIONS + 20
        ):  # waits 30 s for the last of them, unless there is room
            wire = stack.enter_context(Wire(server.port))
            wire.send(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
            reply = wire.reply()
            assert reply is not None and reply.status == 200


def test_probes_are_answered_though_every_connection_is_taken(server: RunningServer) -> None:
    (line,) = [line for line in server.messages if line.startswith("metrics ")]
    with connections(server.port, MAX_CONNECTIONS + 20, b"GET /li"):
        address = line.split()[1].removesuffix("/metrics")
        assert httpx.get(f"{address}/livez", timeout=WAIT_S).status_code == 200


def fill(client: httpx.Client, picture: bytes) -> None:
    """Store 240 pictures, whose page has some 4 MB."""
    note = json.dumps({"note": 16_000 * "x"})
    for start in range(0, 240, 60):
        files = [("image", ("a.jpg", picture))] * 60
        fields = {"id": [f"p{start + number}" for number in range(60)], "metadata": note}
        assert client.post("/images", data=fields, files=files).status_code == 200


@in_full
def test_who_does_not_read_is_let_go(server: RunningServer, picture: bytes) -> None:
    """Neither its connection nor a thread is held by answers that nobody takes.

    What the system's own buffers take (4 MB on loopback) is sent, as far as the server can see.
    """
    asked = b"GET /images?limit=240 HTTP/1.1\r\n" + HOST + b"\r\n"
    with httpx.Client(base_url=server.url, verify=False, timeout=WAIT_S) as client:
        fill(client, picture)
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.port, buffer_bytes=4096)) for _ in range(4)]
        for wire in wires:
            wire.send(asked * 3)
        ports = {wire.socket.getsockname()[1] for wire in wires}

        def held() -> set[int]:
            found = psutil.Process(server.process.pid).net_connections("tcp")
            return {one.raddr.port for one in found if one.raddr} & ports

        wait_until(lambda: held() == ports)
        wait_until(lambda: not held())


@in_full
def test_who_comes_too_slowly_is_let_go(server: RunningServer, picture: bytes) -> None:
    """A byte a second is not a sign of life for ever; a slow line is."""
    with Wire(server.port) as drip, Wire(server.port) as slow:
        drip.send(post("/classify", f"Content-Length: {len(picture)}"))
        slow.send(post("/classify", "Content-Length: 10000000"))
        began = time.monotonic()
        while drip.send(b"x"):
            assert slow.send(bytes(20_000))
            threading.Event().wait(1)
            assert time.monotonic() - began < 60
        assert time.monotonic() - began > 25
        assert slow.send(bytes(20_000))


def test_where_no_file_is_left_those_who_are_connected_are_answered(server: RunningServer) -> None:
    asked = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    process = psutil.Process(server.process.pid)
    before = process.rlimit(psutil.RLIMIT_NOFILE)
    with Wire(server.port) as first:
        first.send(asked)
        assert first.reply() is not None
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), before[1]))
        try:
            with connections(server.port, 3, asked) as waiting:
                for _ in range(3):
                    first.send(asked)
                    reply = first.reply()
                    assert reply is not None and reply.status == 200
                process.rlimit(psutil.RLIMIT_NOFILE, before)
                replies = [wire.reply() for wire in waiting]
                assert [one and one.status for one in replies] == [200] * 3
        finally:
            process.rlimit(psutil.RLIMIT_NOFILE, before)
