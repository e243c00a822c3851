"""The awaited client: the same calls as the blocking one, many at a time, and cancelled."""

import asyncio
import inspect
import io
import socket
import threading
import time
from collections.abc import Iterable

import numpy as np
import pytest

from alexnet_client import AsyncClient, Client, errors

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def _calls(client: type) -> dict[str, inspect.Signature]:
    """The public methods of a client and their signatures."""
    return {
        name: inspect.signature(method)
        for name, method in inspect.getmembers(client, callable)
        if not name.startswith("_") and name != "close"
    }


def test_both_clients_have_the_same_calls_with_the_same_arguments():
    blocking, awaited = _calls(Client), _calls(AsyncClient)
    assert {
        *("classify", "features", "features_each", "embeddings", "search", "search_features"),
        *("similar", "add", "add_many", "get", "list", "count", "delete", "delete_where"),
        *("thumbnail", "duplicates", "model"),
    } == set(blocking)
    assert list(blocking) == list(awaited)
    for name, signature in blocking.items():
        assert signature.parameters == awaited[name].parameters
    assert inspect.signature(Client) == inspect.signature(AsyncClient)


def test_a_call_is_awaited_on_the_one_and_not_on_the_other():
    for name in _calls(Client).keys() - {"list"}:
        assert not inspect.iscoroutinefunction(getattr(Client, name))
        assert inspect.iscoroutinefunction(getattr(AsyncClient, name))
    assert inspect.isasyncgenfunction(AsyncClient.list)
    assert inspect.isgeneratorfunction(Client.list)


def test_help_shows_what_a_call_takes_and_gives():
    for client in (Client, AsyncClient):
        assert str(inspect.signature(client.classify)).replace("'", "") == (
            "(self, pictures: Picture | Iterable[Picture], *, top_k: int = 5, views: int = 1,"
            " features: bool = False) -> Classification | list[Classification]"
        )
        assert client.classify.__doc__.startswith("Say what is in a picture")
        for name in _calls(client):
            assert "Steps" not in str(inspect.signature(getattr(client, name)))
            assert getattr(client, name).__doc__
    gives = inspect.signature(AsyncClient.list).return_annotation
    assert gives == "AsyncIterator[StoredPicture]"
    assert "cursor" not in inspect.signature(Client.list).parameters


async def test_one_picture_and_several(scripted, tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"cat")
    async with AsyncClient(scripted.url) as client:
        assert (await client.classify(path, top_k=3)).top.label == "cat"
        with pytest.raises(errors.BadPicture, match="picture: what came was"):
            await client.classify(b"bad")
        given: Iterable[object] = (picture for picture in (b"dog", tmp_path / "gone", b"bad", path))
        dog, gone, bad, cat = await client.classify(given)
    assert (dog.top.label, cat.top.label) == ("dog", "cat")
    assert (gone.error.code, bad.error.code) == ("unreadable_file", "undecodable_picture")
    assert scripted.requests[0].query["top_k"] == ["3"]


async def test_lists_are_gone_through_page_by_page(scripted, wire):
    def page(request):
        first = int(request.query.get("cursor", ["0"])[0])
        image = {"id": str(first), "label": None, "metadata": None, "created_at": "2026"}
        following = str(first + 1) if first < 2 else None
        return wire.as_json({"images": [image], "next_cursor": following})

    scripted.answer = page
    async with AsyncClient(scripted.url) as client:
        assert [picture.id async for picture in client.list(page_size=1)] == [*"012"]


async def test_overload_is_waited_out_and_the_rest_is_raised(scripted, wire):
    scripted.in_turn(
        wire.problem(503, "overloaded", retry_after="0"),
        wire.as_json({"count": 7}),
        wire.problem(500, "internal_error"),
    )
    async with AsyncClient(scripted.url) as client:
        assert await client.count() == 7
        with pytest.raises(errors.ServerFault) as caught:
            await client.count()
    assert not caught.value.retryable
    assert len(scripted.requests) == 3


async def test_no_retries_means_raised_at_once_with_the_servers_wish(scripted, wire):
    scripted.answer = lambda _: wire.problem(503, "overloaded", retry_after="7")
    async with AsyncClient(scripted.url, max_retries=0) as client:
        with pytest.raises(errors.Overloaded) as caught:
            await client.count()
    assert (caught.value.retryable, caught.value.retry_after_s) == (True, 7)
    assert len(scripted.requests) == 1


async def test_a_server_that_is_not_there_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        async with AsyncClient(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            with pytest.raises(errors.ServerUnreachable, match="no server answers"):
                await client.model()


async def test_a_dripping_answer_is_a_timeout():
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not reader.at_eof() and not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)
        writer.close()
        hung_up.set()

    hung_up = asyncio.Event()
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        start_s = time.monotonic()
        async with AsyncClient(url, timeout_s=0.5) as client:
            with pytest.raises(errors.Timeout):
                await client.model()
        assert time.monotonic() - start_s < 5
        await asyncio.wait_for(hung_up.wait(), 10)


async def test_many_requests_are_under_way_together(scripted, wire):
    together = threading.Barrier(30)  # no answer before all 30 questions are there

    def answer(request):
        together.wait(30)
        return wire.labels_of(request)

    scripted.answer = answer
    async with AsyncClient(scripted.url, max_retries=0) as client:
        asked = [client.classify(f"label-{n}".encode()) for n in range(30)]
        results = await asyncio.gather(*asked)
    assert [result.top.label for result in results] == [f"label-{n}" for n in range(30)]


async def test_no_more_connections_than_allowed(scripted, wire):
    third = threading.Semaphore(2)
    met_a_third = []

    def answer(request):
        alone = third.acquire(timeout=0.2)  # time for a third to come, were it let through
        met_a_third.append(not alone)
        scripted.released.wait(0.2)
        if alone:
            third.release()
        return wire.labels_of(request)

    scripted.answer = answer
    async with AsyncClient(scripted.url, max_connections=2) as client:
        results = await asyncio.gather(*(client.classify(b"cat") for _ in range(6)))
    assert len(results) == 6
    assert met_a_third == [False] * 6


async def test_a_cancelled_call_leaves_its_place_to_the_next(scripted, wire):
    """The only connection of the pool is in use when its call is cancelled, again and again."""
    stalled = threading.Event()

    def stall(request):
        if request.path == "/model":
            stalled.set()
            scripted.released.wait(30)
            raise wire.DropConnection
        return wire.labels_of(request)

    scripted.answer = stall
    async with AsyncClient(scripted.url, max_connections=1, timeout_s=20) as client:
        for _ in range(5):
            stalled.clear()
            call = asyncio.create_task(client.model())
            waiting = asyncio.create_task(client.classify(b"cat"))  # for the same connection
            await asyncio.to_thread(stalled.wait, 10)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert (await waiting).top.label == "cat"
            assert (await client.classify(b"dog")).top.label == "dog"


async def test_calls_cancelled_at_any_moment_break_no_other(scripted):
    async with AsyncClient(scripted.url, max_connections=4, max_idle_connections=4) as client:
        for turn in range(20):
            calls = [asyncio.create_task(client.classify(b"cat")) for _ in range(4)]
            for _ in range(turn):
                await asyncio.sleep(0)  # one more step of the loop each turn
            calls[turn % 4].cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            others = ended[: turn % 4] + ended[turn % 4 + 1 :]
            assert [result.top.label for result in others] == ["cat"] * 3
        last = await asyncio.gather(*(client.classify(b"dog") for _ in range(8)))
    assert [result.top.label for result in last] == ["dog"] * 8


async def test_a_wait_for_an_overloaded_server_can_be_cancelled(scripted, wire):
    refused = threading.Event()

    def answer(_):
        refused.set()
        return wire.problem(503, "overloaded", retry_after="25")

    scripted.answer = answer
    start_s = time.monotonic()
    async with AsyncClient(scripted.url) as client:
        call = asyncio.create_task(client.model())
        await asyncio.to_thread(refused.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert time.monotonic() - start_s < 10


class _SlowFile(io.BytesIO):
    """A file whose bytes come when the event loop has had its turn."""

    def __init__(self) -> None:
        super().__init__(b"slow")
        self.turn = threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        assert self.turn.wait(10), "the event loop stood still while this file was read"
        return super().read(size)


@pytest.mark.parametrize("call", ["classify", "add", "features_each"])
async def test_a_slow_file_holds_up_nothing_else(scripted, wire, call):
    item = {"id": "a", "label": None, "metadata": None, "created": True}
    answers = {
        "/classify": wire.labels_of,
        "/features": lambda request: _rows(wire, request),
    }
    put = wire.as_json({"model": wire.MODEL} | item)
    scripted.answer = lambda request: answers.get(request.path, lambda _: put)(request)
    file = _SlowFile()
    async with AsyncClient(scripted.url) as client:
        given = [file] if call == "features_each" else file
        slow = asyncio.create_task(getattr(client, call)(given))
        assert (await client.classify(b"quick")).top.label == "quick"
        file.turn.set()
        await slow
    assert scripted.requests[-1].values("image") == [b"slow"]


async def test_a_lazy_iterable_is_read_beside_the_loop_too(scripted):
    turn = threading.Event()

    def pictures():
        yield b"one"
        assert turn.wait(10), "the event loop stood still while the iterable was"
        yield b"two"

    async with AsyncClient(scripted.url) as client:
        slow = asyncio.create_task(client.classify(pictures()))
        await client.classify(b"quick")
        turn.set()
        assert [result.top.label for result in await slow] == ["one", "two"]


def _rows(wire, request):
    buffer = io.BytesIO()
    np.save(buffer, np.ones((len(request.form), 4096), np.float32))
    return wire.Answer(200, buffer.getvalue(), "application/x-npy")
