"""Requests: at most three tries a picture, and only for what may pass."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from alexnet_client.errors import BadPicture, ClientError, ServerFault
from alexnet_client.scoring.patience import Patience, is_away
from alexnet_client.scoring.read_ahead import Loaded
from alexnet_client.scoring.scorer import Scored, Scorer
from alexnet_client.scoring.window import Window

MAX_TRIES = 3
_MAX_FAULTS = 5  # of the server, one after the other: it is broken, not busy
_FIRST_WAIT_S, _LEAST_WAIT_S, _MAX_WAIT_S = 0.5, 0.05, 30.0
_JITTER = 0.25
_USUAL_REFUSALS, _MOST_TIMES = 8, 16.0  # after so many in a row waits double, up to so often


@dataclass(frozen=True)
class Wish:
    """What is asked of each picture."""

    top_k: int
    views: int
    features: bool


class Sender:
    """Sends pictures to ``scorer`` and hands on what became of each.

    Args:
        scorer: who answers.
        wish: what is asked.
        window: is told of answers and refusals.
        patience: for a server that is away.
        scored: called with each picture that has an answer.
        failed: called with each picture whose tries are used up, and the last error.
    """

    def __init__(
        self,
        scorer: Scorer,
        wish: Wish,
        *,
        window: Window,
        patience: Patience,
        scored: Callable[[Loaded, Scored], None],
        failed: Callable[[Loaded, ClientError], None],
    ) -> None:
        self._scorer, self._wish = scorer, wish
        self._window, self._patience = window, patience
        self._scored, self._failed = scored, failed
        self._refusals = self._faults = 0  # since the last answer
        self.requests = self.tries = 0

    async def send(self, pictures: list[Loaded], before: int = 0) -> None:
        """Send pictures that were tried ``before`` times until each has an answer or an error.

        Raises:
            ServerAway: the server is away for too long.
            ClientError: no picture can be scored: a wrong key, an option out of range.
        """
        generation, began_s = self._window.generation, time.monotonic()
        self.requests += 1
        self.tries += len(pictures)
        try:
            answers = await self._scorer.score(
                [one.upload for one in pictures],
                top_k=self._wish.top_k,
                views=self._wish.views,
                features=self._wish.features,
            )
        except ClientError as error:
            await self._again(pictures, before + 1, error, generation)
            return
        self._refusals = self._faults = 0
        self._patience.heard()
        self._window.answered(len(pictures), time.monotonic() - began_s, generation)
        for one, answer in zip(pictures, answers, strict=True):
            self._scored(one, answer)

    async def _again(
        self, pictures: list[Loaded], tries: int, error: ClientError, generation: int
    ) -> None:
        """Wait as the error asks, and send them again in two halves: fewer may find a place."""
        middle = (len(pictures) + 1) // 2
        parts = [part for part in (pictures[:middle], pictures[middle:]) if part]
        wait_s = 0.0
        if is_away(error):
            await self._patience.until_back(self._scorer, error)
        elif error.retryable:
            self._window.refused(generation)
            self._patience.failed(error)
            self._refusals += 1
            wait_s = self._wait_s(error, tries)
        elif isinstance(error, BadPicture | ServerFault):
            # One of them may be the cause: each on its own, once.
            parts = [[one] for one in pictures]
            tries = MAX_TRIES if len(pictures) == 1 else tries
            self._count_fault(error, len(pictures))
        else:
            raise error
        if tries >= MAX_TRIES:
            for one in pictures:
                self._failed(one, error)
            return
        await asyncio.sleep(wait_s)
        for part in parts:
            await self.send(part, tries)

    def _count_fault(self, error: ClientError, pictures: int) -> None:
        if isinstance(error, ServerFault) and pictures == 1:
            self._faults += 1
            if self._faults >= _MAX_FAULTS:
                raise error

    def _wait_s(self, error: ClientError, tries: int) -> float:
        """What the server asks for, or half a second and then one; longer if it goes on so."""
        asked_s = error.retry_after_s
        least_s = _FIRST_WAIT_S * tries if asked_s is None else max(asked_s, _LEAST_WAIT_S)
        times = min(_MOST_TIMES, 2.0 ** max(0, self._refusals - _USUAL_REFUSALS))
        wait_s = max(least_s, min(_MAX_WAIT_S, least_s * times))
        return wait_s * random.uniform(1, 1 + _JITTER)  # noqa: S311  no secret
