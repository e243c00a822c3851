"""Bodies at their limits, claimed, chunked and cut short."""

from __future__ import annotations

import socket
import struct

import psutil
import pytest

from alexnet_server.listening import waitress_limit
from alexnet_server.settings import Limits
from tests.faults.size import sized
from tests.faults.wire.sent import ONCE_MORE, WAIT_S, Reply, Wire, in_full, post
from tests.running_server import RunningServer
from tests.waiting import wait_until

LIMITS = Limits()
PIECE_BYTES = 64 * 1024
BOUNDARY = "b" * 16
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


def padded(picture: bytes, size: int) -> bytes:
    """The picture with bytes behind its end, which decoders do not read."""
    return picture + bytes(size - len(picture))


def form(picture: bytes, size: int) -> bytes:
    """A form of ``size`` bytes whose pictures are of at most 10 MiB each."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    ).encode()
    end = f"--{BOUNDARY}--\r\n".encode()
    parts = -(-size // LIMITS.max_picture_bytes)
    room, left = divmod(size - len(end) - parts * (len(head) + 2), parts)
    sizes = [room + (number < left) for number in range(parts)]
    body = b"".join(head + padded(picture, one) + b"\r\n" for one in sizes) + end
    assert len(body) == size
    return body


def sent(server: RunningServer, body: bytes, *headers: str) -> Reply:
    with Wire(server.port) as wire:
        wire.send(post("/classify", f"Content-Length: {len(body)}", *headers) + body)
        reply = wire.reply()
    assert reply is not None
    return reply


def sent_in_chunks(server: RunningServer, body: bytes, *headers: str) -> Reply:
    with Wire(server.port) as wire:
        wire.send(post("/classify", "Transfer-Encoding: chunked", *headers))
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            if not wire.send(b"%x\r\n%b\r\n" % (len(piece), piece)):
                break
        else:
            wire.send(b"0\r\n\r\n")
        reply = wire.reply()
    assert reply is not None
    return reply


@pytest.mark.parametrize("send", [sent, sent_in_chunks])
def test_a_picture_at_its_limit(server: RunningServer, picture: bytes, send) -> None:
    limit = LIMITS.max_picture_bytes
    for size in (limit - 1, limit):
        assert send(server, padded(picture, size)).status == 200
    refused = send(server, padded(picture, limit + 1))
    assert (refused.status, refused.code) == (413, "picture_too_large")


@pytest.mark.parametrize("send", [sent, pytest.param(sent_in_chunks, marks=in_full)])
def test_a_request_at_its_limit(server: RunningServer, picture: bytes, send) -> None:
    limit = LIMITS.max_request_bytes
    for size in sized((limit,), (limit - 1, limit)):
        assert send(server, form(picture, size), FORM).status == 200
    for kind in ((), (FORM,)):
        refused = send(server, form(picture, limit + 1), *kind)
        assert (refused.status, refused.code) == (413, "request_too_large")


def test_more_than_a_request_may_hold_is_refused_before_it_is_read(server: RunningServer) -> None:
    for claimed in (waitress_limit(LIMITS), 10**9):
        for headers in ((), ("Expect: 100-continue",)):
            with Wire(server.port) as wire:
                wire.send(post("/classify", f"Content-Length: {claimed}", *headers))
                reply = wire.reply()
                assert reply is not None and (reply.status, reply.code) == (
                    413,
                    "request_too_large",
                )
                assert wire.reply() is None


def test_a_client_that_goes_on_sending_sees_the_refusal(server: RunningServer) -> None:
    with Wire(server.port) as wire:
        wire.send(post("/classify", "Content-Length: 1000000000"))
        while wire.send(bytes(PIECE_BYTES)):
            pass
        reply = wire.reply()
        assert reply is not None and reply.code == "request_too_large"


def test_endless_chunks_are_refused(server: RunningServer) -> None:
    with Wire(server.port) as wire:
        wire.send(post("/classify", "Transfer-Encoding: chunked"))
        chunk = b"%x\r\n%b\r\n" % (PIECE_BYTES, bytes(PIECE_BYTES))
        count = 0
        while wire.send(chunk):
            count += 1
            assert count < 4 * LIMITS.max_request_bytes // PIECE_BYTES
        reply = wire.reply()
        assert reply is not None and reply.code == "request_too_large"


def test_expect_is_answered_where_a_body_is_wanted(server: RunningServer, picture: bytes) -> None:
    with Wire(server.port) as wire:
        wire.send(post("/classify", f"Content-Length: {len(picture)}", "Expect: 100-continue"))
        assert wire.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(picture)
        reply = wire.reply()
        assert reply is not None and reply.status == 200


@pytest.mark.parametrize("way", ["half closed", "closed", "reset"])
def test_a_body_cut_short_harms_nobody(server: RunningServer, picture: bytes, way: str) -> None:
    process = psutil.Process(server.process.pid)
    with Wire(server.port) as other:
        for number in range(20):
            with Wire(server.port) as wire:
                head = post("/classify", f"Content-Length: {len(picture)}")
                wire.send(head + picture[: number * 100])
                if way == "half closed":
                    wire.socket.shutdown(socket.SHUT_WR)
                    assert wire.reply() is None
                elif way == "reset":
                    wire.socket.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
        other.send(post("/classify", f"Content-Length: {len(picture)}") + picture)
        reply = other.reply()
        assert reply is not None and reply.status == 200
        other.send(ONCE_MORE)
        assert other.reply() is not None
    wait_for_no_connection(process, server.port)


def wait_for_no_connection(process: psutil.Process, port: int) -> None:
    wait_until(
        lambda: (
            not [
                one
                for one in process.net_connections()
                if one.laddr.port == port and one.status != psutil.CONN_LISTEN
            ]
        ),
        WAIT_S,
    )


def chunked(size: int, count: int) -> bytes:
    """A request of ``count`` chunks of ``size`` bytes."""
    chunk = b"%x\r\n%b\r\n" % (size, b"a" * size)
    return post("/classify", "Transfer-Encoding: chunked") + chunk * count + b"0\r\n\r\n"


def test_many_chunks_leave_nothing_behind(server: RunningServer) -> None:
    """Of one byte, 65,536 are taken, as many as Triton takes of any size; of eight, any number."""
    process = psutil.Process(server.process.pid)
    taken = [chunked(1, 2_000)] * sized(10, 20) + [chunked(8, sized(20_000, 1_000_000))]
    flood = chunked(1, sized(70_000, 1_000_000))
    rounds, grown = sized(3, 5), []
    # What the allocator keeps of the first bodies may come late; a leak adds in every round.
    for _ in range(2 * rounds):
        for request, code in [
            *((one, "unsupported_format") for one in taken),
            (flood, "bad_request"),
        ]:
            with Wire(server.port) as wire:
                wire.socket.settimeout(WAIT_S * 6)  # a million chunks take some seconds
                wire.send(request)
                reply = wire.reply()
            assert reply is not None and reply.code == code
        grown.append(process.memory_info().rss)
        if len(grown) >= rounds and grown[-1] - grown[-rounds] < 5e6:
            return
    raise AssertionError(f"still growing: {grown}")
