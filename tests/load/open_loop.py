"""Requests on a fixed schedule, whatever comes back: as many clients as it takes, each on its own.

    python -m tests.load.open_loop URL --picture cat.jpg --rate 800 --seconds 30 --pid 4711

A process of its own with one thread, which costs some 0.2 ms of CPU a request: it leaves the rest
of the machine to the server.  Some connections are used again once their answer is read, as those
of a proxy are.  Prints a JSON report (tests/load/report.py) on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from tests.load.process_series import ProcessSeries
from tests.load.report import Answer, Report, Spent, summary

_WATCH_S = 0.2  # between two looks at an address that must answer at all times
_SAMPLE_S = 0.25
_PATIENCE_S = 30.0  # a request without an answer by then is lost
_MOST_IDLE = 64  # connections kept for later, as a proxy before the server would
LOST = 0  # the status of one that was never answered


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request at a time, answered to a callback."""

    def __init__(self, went: Callable[[Connection], None]) -> None:
        self._went = went  # called when it is free again
        self._answered: Callable[[int, str], None] | None = None
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes, answered: Callable[[int, str], None]) -> None:
        """Send; ``answered`` hears the status and the problem's code, or LOST."""
        assert self._transport is not None
        self._answered = answered
        self._transport.write(request)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._received[:head_end]).lower()
        _, _, rest = head.partition(b"\r\ncontent-length:")
        length = int(rest.split(b"\r\n", 1)[0])
        body_start = head_end + 4
        if len(self._received) < body_start + length:
            return
        status = int(head[9:12])
        body = bytes(self._received[body_start : body_start + length])
        self._received.clear()
        if b"\r\nconnection: close" in head and self._transport is not None:
            self._transport.close()
        self._end(status, "" if status < 400 else json.loads(body)["code"])

    def connection_lost(self, error: Exception | None) -> None:
        self._end(LOST, "connection lost")

    def give_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _end(self, status: int, code: str) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status, code)
            self._went(self)


class OpenLoop:
    """Sends ``request`` to one server, on connections that it opens as they are needed."""

    def __init__(self, host: str, port: int, requests: list[bytes]) -> None:
        self._place = host, port
        self._requests = requests
        self._idle: list[Connection] = []
        self.answers: list[Answer] = []
        self.lags_s: list[float] = []

    async def run(self, rate: float, seconds: float) -> None:
        """``rate`` requests a second for ``seconds``, then wait for what is still out."""
        began = time.monotonic()
        sent: set[asyncio.Task[None]] = set()
        for number in range(round(rate * seconds)):
            due = began + number / rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            self.lags_s.append(max(0.0, time.monotonic() - due))
            task = asyncio.create_task(self.one(self._requests[number % len(self._requests)]))
            sent.add(task)
            task.add_done_callback(sent.discard)
        if sent:
            await asyncio.wait(sent)

    async def run_closed(self, callers: int, seconds: float) -> None:
        """``callers`` at a time, each of which asks again once it is answered."""
        ends = time.monotonic() + seconds

        async def ask(number: int) -> None:
            while time.monotonic() < ends:
                await self.one(self._requests[number % len(self._requests)])
                number += callers

        await asyncio.gather(*(ask(number) for number in range(callers)))

    async def one(self, request: bytes) -> None:
        """Send ``request`` now, and note what comes of it."""
        began = time.monotonic()
        status, code = LOST, "not in time"
        try:
            async with asyncio.timeout(_PATIENCE_S):
                status, code = await self._exchange(request)
        except TimeoutError:
            pass
        except OSError as error:
            code = type(error).__name__
        ended = time.monotonic()
        self.answers.append(Answer(status, code, began, ended - began))

    async def _exchange(self, request: bytes) -> tuple[int, str]:
        future: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        connection = await self._connection()

        def answered(status: int, code: str) -> None:
            if not future.done():
                future.set_result((status, code))

        connection.ask(request, answered)
        try:
            return await future
        except asyncio.CancelledError:
            connection.give_up()
            raise

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: Connection(self._keep), *self._place)
        return made

    def _keep(self, connection: Connection) -> None:
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.give_up()


async def _watch(url: str, answers: list[Answer], is_over: asyncio.Event) -> None:
    """Look at ``url`` again and again on a connection of its own."""
    place = urlsplit(url)
    request = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
    looking = OpenLoop(place.hostname or "", place.port or 80, [request])
    while not is_over.is_set():
        await looking.one(request)
        await asyncio.sleep(_WATCH_S)
    answers += looking.answers


async def _sample(series: ProcessSeries, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        series.sample()
        await asyncio.sleep(_SAMPLE_S)


async def _run(arguments: argparse.Namespace) -> Report:
    place = urlsplit(arguments.url)
    requests = [
        (
            f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Content-Type: application/octet-stream\r\n"
            f"Content-Length: {path.stat().st_size}\r\n\r\n"
        ).encode()
        + path.read_bytes()
        for path in arguments.picture
    ]
    loop = OpenLoop(place.hostname or "", place.port or 80, requests)
    series = ProcessSeries(arguments.pid)
    watched: dict[str, list[Answer]] = {url: [] for url in arguments.watch}
    is_over = asyncio.Event()
    beside = [asyncio.create_task(_watch(url, seen, is_over)) for url, seen in watched.items()]
    beside.append(asyncio.create_task(_sample(series, is_over)))
    began, cpu_began = time.monotonic(), time.process_time()
    if arguments.callers:
        await loop.run_closed(arguments.callers, arguments.seconds)
    else:
        await loop.run(arguments.rate, arguments.seconds)
    seconds = time.monotonic() - began
    cpu_s = time.process_time() - cpu_began
    is_over.set()
    await asyncio.gather(*beside)
    return summary(loop.answers, watched, series, Spent(seconds, cpu_s, loop.lags_s))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="where the pictures are sent")
    parser.add_argument("--picture", type=Path, nargs="+", required=True, help="sent in turn")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=float, help="requests a second")
    how.add_argument(
        "--callers", type=int, help="no schedule: so many that ask again once they are answered"
    )
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--watch", nargs="*", default=[], help="addresses to look at meanwhile")
    report = asyncio.run(_run(parser.parse_args()))
    sys.stdout.write(json.dumps(asdict(report)) + "\n")


if __name__ == "__main__":
    main()
