"""Pictures read before they are sent, in order, so that a request never waits for the disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from alexnet_client.picture import Upload

MAX_AHEAD_BYTES = 64 * 2**20
MAX_AHEAD_PICTURES = 256
# Small enough that all requests in flight fit into memory, whatever the pictures are.
MAX_REQUEST_BYTES = 8 * 2**20
_CHUNK = 4  # pictures a thread reads before it looks for other work
_PATIENCE_S = 0.25  # a request goes with fewer pictures than it may have after so long


@dataclass(frozen=True)
class Job:
    """A picture to score: its number among all, and its path."""

    number: int
    path: str


@dataclass(frozen=True)
class Loaded:
    """A job and the picture's bytes, or in their place why it could not be read."""

    job: Job
    upload: Upload


class ReadAhead:
    """Reads the pictures of ``jobs`` in ``threads``, while `run` runs.

    Args:
        jobs: in the order in which `take` gives them.
        load: reads one; called in a thread.
        threads: how many read at a time.
    """

    def __init__(self, jobs: Iterator[Job], load: Callable[[str], Upload], threads: int) -> None:
        self._jobs = jobs
        self._load = load
        self._threads = threads
        self._ready: deque[Loaded] = deque()
        self._ready_bytes = 0
        self._is_over = False
        self._came, self._went = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Read until there are no more jobs, no further ahead than the limits of this module."""
        loop = asyncio.get_running_loop()
        reading: deque[asyncio.Future[list[Loaded]]] = deque()
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="read-ahead")
        try:
            while True:
                while len(reading) < self._threads and self._has_room(len(reading)):
                    if not (chunk := list(islice(self._jobs, _CHUNK))):
                        break
                    reading.append(loop.run_in_executor(pool, self._read, chunk))
                if reading:
                    self._put(await reading.popleft())
                elif self._has_room(0):
                    return  # there was room, and no job came
                else:
                    self._went.clear()
                    await self._went.wait()
        finally:
            self._is_over = True
            self._came.set()
            pool.shutdown(wait=False, cancel_futures=True)

    async def take(self, most: int) -> list[Loaded]:
        """Return the next pictures: ``most``, or those that are there after a while; none: over."""
        await self._until(1)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._until(most)
        except TimeoutError:
            pass  # a slow disk
        taken: list[Loaded] = []
        taken_bytes = 0
        while self._ready and len(taken) < most:
            size = len(self._ready[0].upload.content)
            if taken and taken_bytes + size > MAX_REQUEST_BYTES:
                break
            taken_bytes += size
            taken.append(self._ready.popleft())
        self._ready_bytes -= taken_bytes
        self._went.set()
        return taken

    async def _until(self, count: int) -> None:
        while len(self._ready) < count and self._ready_bytes < MAX_AHEAD_BYTES:
            if self._is_over:
                return
            self._came.clear()
            await self._came.wait()

    def _has_room(self, chunks: int) -> bool:
        pictures = len(self._ready) + chunks * _CHUNK
        return pictures < MAX_AHEAD_PICTURES and self._ready_bytes < MAX_AHEAD_BYTES

    def _read(self, chunk: list[Job]) -> list[Loaded]:
        return [Loaded(job, self._load(job.path)) for job in chunk]

    def _put(self, loaded: list[Loaded]) -> None:
        self._ready.extend(loaded)
        self._ready_bytes += sum(len(one.upload.content) for one in loaded)
        self._came.set()
