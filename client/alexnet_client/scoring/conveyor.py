"""From files to lines: read ahead, send within the window, write in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
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
    ) -> None:
        self._model, self._writer, self._progress = model, writer, progress
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
        ahead = ReadAhead(jobs, load, max(_READERS, os.cpu_count() or 1))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run())
                group.create_task(ahead.run())
                await self._send_all(ahead)
                self._writer.end()
        except* (ClientError, OSError) as several:
            raise _first(several) from None
        finally:
            self._writer.commit()

    async def _send_all(self, ahead: ReadAhead) -> None:
        sending: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while loaded := await ahead.take(self.window.size):
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
