"""Who hangs up, or is late, while the network is busy makes room, and is not looked at."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.faults.backend.front import connected
from tests.faults.overload.held_server import HeldServer
from tests.waiting import wait_until


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[HeldServer]:
    made = HeldServer(tmp_path, timeout_s=1)
    yield made
    made.close()


def test_who_hangs_up_leaves_the_line_and_the_gate(held: HeldServer, photos: list[Path]) -> None:
    picture = photos[0].read_bytes()
    answers: list[httpx.Response] = []

    def ask() -> None:
        with connected(f"http://127.0.0.1:{held.port}") as client:
            answers.append(client.post("/classify", content=picture))

    first = threading.Thread(target=ask)
    first.start()
    wait_until(lambda: len(held.network.passes) == 1)
    head = (
        f"POST /classify HTTP/1.1\r\nHost: 127.0.0.1:{held.port}\r\n"
        f"Content-Length: {len(picture)}\r\n\r\n"
    )
    waiting = [socket.create_connection(("127.0.0.1", held.port)) for _ in range(3)]
    for one in waiting:
        one.sendall(head.encode() + picture)
    wait_until(lambda: held.views_in_line() == 3)
    ask()
    assert answers[0].json()["code"] == "overloaded"
    for one in waiting:
        one.close()
    wait_until(lambda: held.views_in_line() == 0)
    wait_until(lambda: held.served.work.requests == 1)
    wait_until(lambda: held.statuses() == [499, 499, 499, 503])
    assert not held.network.gate.is_set()  # all that while the pass was under way
    held.network.gate.set()
    first.join()
    ask()
    assert [answer.status_code for answer in answers] == [503, 200, 200]
    assert [len(numbers) for numbers in held.network.passes] == [1, 1]


def test_who_is_late_is_told_so_at_the_deadline(hasty: HeldServer, photos: list[Path]) -> None:
    """In the pass or in line: nobody waits for the network longer than a request may take."""
    picture = photos[0].read_bytes()

    def ask(_: int) -> tuple[int, str, float]:
        with connected(f"http://127.0.0.1:{hasty.port}") as client:
            began = time.monotonic()
            answer = client.post("/classify", content=picture)
            return answer.status_code, answer.json()["code"], time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(ask, range(4)))
    assert {(status, code) for status, code, _ in told} == {(503, "deadline_exceeded")}
    assert max(seconds for _, _, seconds in told) < 10  # of a busy machine; the gate stays shut
    assert not hasty.network.gate.is_set()
    assert hasty.views_in_line() == 0
    wait_until(lambda: hasty.served.work.requests == 0)
