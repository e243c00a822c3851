"""From files to lines: read ahead, send within the window, write in order."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alexnet_client.errors import ClientError, ServerFault
from alexnet_client.picture import MAX_REQUEST_VIEWS, Upload
from alexnet_client.progress import Progress
from alexnet_client.scoring import line
from alexnet_client.scoring.errors import ModelChanged
from alexnet_client.scoring.patience import Patience
from alexnet_client.scoring.read_ahead import Job, Loaded, ReadAhead
from alexnet_client.scoring.scorer import Scored, Scorer
from alexnet_client.scoring.sender import Sender, Wish
from alexnet_client.scoring.window import Window
from alexnet_client.scoring.writer import COMMIT_EVERY_S, Writer

# Lines that wait for an earlier one, a slow picture's; the others would pile up in memory.
MAX_WAITING_LINES = 8192
_READERS = 4
_LAST_ANSWERS_S = 5.0  # after Ctrl-C; a server gives an answer up after as long


@dataclass(frozen=True)
class Model:
    """The digest of the model that made the first line, and whether another one may go on."""

    digest: str
    may_change: bool


class Conveyor:
    """Scores jobs with ``scorer`` into ``writer``.

    Args:
        scorer: who answers.
        wish: what is asked of each picture.
        model: whose answers are taken.
        writer: gets the lines.
        progress: is told of each.
        patience: for a server that is away.
        say: told in words for people what is waited for.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        wish: Wish,
        model: Model,
        writer: Writer,
        progress: Progress,
        patience: Patience,
        say: Callable[[str], object],
    ) -> None:
        self._model, self._writer, self._progress = model, writer, progress
        self._say, self._is_stopped = say, False
        self.window = Window(max(1, MAX_REQUEST_VIEWS // wish.views))
        self.sender = Sender(
            scorer,
            wish,
            window=self.window,
            patience=patience,
            scored=self._scored,
            failed=self._failed,
        )

    async def run(self, jobs: Iterator[Job], load: Callable[[str], Upload]) -> None:
        """Score all jobs; what was answered is on the disk when this ends, however it ends.

        Raises:
            ClientError: no picture can be scored, or no longer.
            OSError: the output cannot be written.
        """
        work = asyncio.create_task(self._work(jobs, load))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # Ctrl-C: what the server is working on need not be asked for a second time.
            self._is_stopped = True
            with _cancelled_by_interrupt(work):
                self._say(f"waiting up to {_LAST_ANSWERS_S:g} s for the answers under way")
                await asyncio.wait([work], timeout=_LAST_ANSWERS_S)
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            raise

    async def _work(self, jobs: Iterator[Job], load: Callable[[str], Upload]) -> None:
        ahead = ReadAhead(jobs, load, max(_READERS, os.cpu_count() or 1))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run())
                reading = group.create_task(ahead.run())
                await self._send_all(ahead)
                reading.cancel()
                self._writer.end()
        except* (ClientError, OSError) as several:
            raise _first(several) from None
        finally:
            self._writer.commit()

    async def _send_all(self, ahead: ReadAhead) -> None:
        sending: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while not self._is_stopped and (loaded := await ahead.take(self.window.size)):
                if readable := self._readable(loaded):
                    task = group.create_task(self.sender.send(readable))
                    sending.add(task)
                    task.add_done_callback(sending.discard)
                while len(sending) >= self.window.flight:
                    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                while self._is_far_ahead(loaded):
                    await asyncio.sleep(COMMIT_EVERY_S / 5)

    def _is_far_ahead(self, loaded: list[Loaded]) -> bool:
        return loaded[-1].job.number > self._writer.next_number + MAX_WAITING_LINES

    def _readable(self, loaded: list[Loaded]) -> list[Loaded]:
        for one in loaded:
            if one.upload.error is not None:
                self._failed(one, one.upload.error)
        return [one for one in loaded if one.upload.error is None]

    def _scored(self, one: Loaded, scored: Scored) -> None:
        other = scored.digest if scored.digest != self._model.digest else None
        if other is not None and not self._model.may_change:
            raise ModelChanged(changed(self._model.digest, other))
        found = line.of(one.job.path, scored, other)
        self._writer.put(one.job.number, found, scored.features)
        self._progress.advance(1)

    def _failed(self, one: Loaded, error: ClientError) -> None:
        found = line.of_error(one.job.path, error)
        if isinstance(error, ServerFault):
            found["error"]["retryable"] = True  # the server's fault; the picture may be fine
        self._writer.put(one.job.number, found, None)
        self._progress.advance(1)


def changed(old: str, new: str) -> str:
    """Return what to say of a model that is not the one that made the first line."""
    return (
        f"the output was begun with the model of digest {old}, the server now has {new}: serve "
        "the old one again to go on (alexnet-export rollback), give another --out to begin anew, "
        "or mix both with --allow-model-change, which notes the model in each line of another"
    )


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    one: BaseException = errors
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one


@contextmanager
def _cancelled_by_interrupt(work: asyncio.Task[None]) -> Iterator[None]:
    """Let Ctrl-C cancel ``work``: a second one is raised by asyncio.run wherever the loop is."""
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield  # only there, and only Python's own handlers, can be replaced (library `signal`)
        return
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(work.cancel))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
