"""Who finds no place is refused at the door, as the application would have done it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.backend.front import connected
from tests.faults.overload.held_server import HeldServer
from tests.faults.wire.sent import HOST, Wire
from tests.waiting import wait_until

HEAD = b"POST /classify HTTP/1.1\r\n" + HOST
ASKED = HEAD + b"Content-Length: 3\r\n\r\nabc"
KEY = "only-for-this-test-0123456789-abcdef"


@contextmanager
def full(held: HeldServer, picture: bytes, **headers: str) -> Iterator[httpx.Client]:
    """``held`` with four requests inside, as many as its gate lets in."""

    def ask() -> None:
        with connected(f"http://127.0.0.1:{held.port}") as client:
            assert client.post("/classify", content=picture, headers=headers).status_code == 200

    inside = [threading.Thread(target=ask) for _ in range(4)]
    for one in inside:
        one.start()
    try:
        wait_until(lambda: held.served.work.requests == 4)
        with connected(f"http://127.0.0.1:{held.port}") as client:
            yield client
    finally:
        held.network.gate.set()
        for one in inside:
            one.join()


@pytest.fixture
def picture(photos: list[Path]) -> bytes:
    return photos[0].read_bytes()


def test_both_refuse_in_the_same_words(held: HeldServer, picture: bytes) -> None:
    with full(held, picture) as client:
        sent = {"X-Request-Id": "mine"}
        at_door = client.post("/classify", content=picture, headers=sent)
        inside = client.delete("/images/an-id", headers=sent)  # its path is not known at the door
    assert (at_door.status_code, at_door.json()) == (inside.status_code, inside.json())
    for one in (at_door, inside):
        assert one.headers.pop("Server-Timing").startswith("total;dur=")
        del one.headers["Date"]
    assert dict(at_door.headers) == dict(inside.headers)
    assert at_door.headers["X-Request-Id"] == "mine"


def test_those_who_observe_hear_of_it(held: HeldServer, picture: bytes) -> None:
    with full(held, picture) as client:
        client.post("/classify", content=picture)
        wait_until(lambda: held.statuses() == [503])
    (refused,) = (one for one in held.outcomes if one.status == 503)
    assert (refused.method, refused.route, refused.code) == ("POST", "/classify", "overloaded")
    assert refused.peer == "127.0.0.1"


def test_a_connection_goes_on_after_a_refusal_unless_it_was_to_end(
    held: HeldServer, picture: bytes
) -> None:
    with full(held, picture):
        for raw, goes_on in (
            (ASKED, True),
            (HEAD + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc", False),
            (ASKED.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        ):
            with Wire(held.port) as wire:
                for _ in range(2 if goes_on else 1):
                    wire.send(raw)
                    reply = wire.reply()
                    assert reply is not None and (reply.status, reply.code) == (503, "overloaded")
                    assert (reply.headers["Connection"] is None) is goes_on
                if not goes_on:
                    assert wire.reply() is None


def test_requests_in_a_row_are_answered_in_their_order(held: HeldServer, picture: bytes) -> None:
    """The first is inside, the next arrives behind it and finds its place taken, or not."""
    with full(held, picture), Wire(held.port) as wire:
        wire.send(3 * ASKED)
        replies = [wire.reply() for _ in range(3)]
        assert [one and one.code for one in replies] == 3 * ["overloaded"]
    with Wire(held.port) as wire:
        asked = HEAD + f"Content-Length: {len(picture)}\r\n\r\n".encode() + picture
        wire.send(asked + ASKED + asked)
        statuses = [one and one.status for one in (wire.reply(), wire.reply(), wire.reply())]
    assert statuses == [200, 415, 200]


def test_a_request_refused_behind_one_that_is_inside_is_answered(
    held: HeldServer, picture: bytes
) -> None:
    """The thread that answers the first hands the second over, and finds the gate shut."""
    asked = HEAD + f"Content-Length: {len(picture)}\r\n\r\n".encode() + picture
    with Wire(held.port) as wire:
        wire.send(asked)
        wait_until(lambda: held.views_in_line() + len(held.network.passes) >= 1)
        others = [Wire(held.port) for _ in range(3)]
        try:
            for other in others:
                other.send(asked)
            wait_until(lambda: held.served.work.requests == 4)
            wire.send(ASKED)
            held.served.work.close()
            held.network.gate.set()
            first, second = wire.reply(), wire.reply()
        finally:
            for other in others:
                other.close()
    assert first is not None and first.status == 200
    assert second is not None and second.code == "shutting_down"


def test_who_has_no_key_takes_no_place_and_is_told_so(tmp_path: Path, picture: bytes) -> None:
    file = tmp_path / "keys"
    file.write_text(f"read {KEY}\n")
    held = HeldServer(tmp_path, keys=file)
    try:
        with full(held, picture, Authorization=f"Bearer {KEY}") as client:
            assert client.post("/classify", content=picture).json()["code"] == "key_missing"
            known = {"Authorization": f"Bearer {KEY}"}
            answer = client.post("/classify", content=picture, headers=known)
            assert answer.json()["code"] == "overloaded"
    finally:
        held.close()
