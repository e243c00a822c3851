"""How long a server that does not answer is waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from alexnet_client.errors import ClientError, Overloaded, ServerUnreachable, Timeout
from alexnet_client.scoring.errors import ServerAway
from alexnet_client.scoring.scorer import Scorer

_FIRST_LOOK_S, _LAST_LOOK_S = 0.2, 5.0
_BAD_GATEWAY = 502  # what a proxy says of a server that is away


def is_away(error: ClientError) -> bool:
    """Return whether the error says that nobody is there who could answer."""
    return isinstance(error, ServerUnreachable) or error.status == _BAD_GATEWAY


class Patience:
    """Waits for a server to come back; shared by all who ask it.

    Args:
        limit_s: for so long, from the first failure after an answer on.
        say: told what is waited for, in words for people.
        clock: seconds, rising.
    """

    def __init__(
        self,
        limit_s: float,
        say: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s, self._say, self._clock = limit_s, say, clock
        self._failing_since: float | None = None
        self._answers = 0
        self._one_looks = asyncio.Lock()

    def heard(self) -> None:
        """Note that the server has answered."""
        self._answers += 1
        self._failing_since = None

    def failed(self, error: ClientError) -> None:
        """Note a failure that may pass.

        Raises:
            ServerAway: there was no answer for too long, or the server asks to wait too long.
        """
        if self._failing_since is None:
            self._failing_since = self._clock()
        away_s = self._clock() - self._failing_since
        if away_s >= self._limit_s:
            raise ServerAway(
                f"no answer for {away_s:.0f} s ({error}): run the same command again once the "
                "server answers, or wait longer with --wait SECONDS"
            ) from error
        if (asked_s := error.retry_after_s or 0.0) > self._limit_s:
            raise ServerAway(
                f"the server wants to be left alone for {asked_s:.0f} s ({error}): run the same "
                "command again after that, or wait longer with --wait SECONDS"
            ) from error

    async def until_back(self, scorer: Scorer, error: ClientError) -> None:
        """Return once the server answers again; one caller looks, the others wait for it.

        Raises:
            ServerAway: it did not in time.
            ClientError: it answers, but with a refusal that does not pass.
        """
        answers = self._answers
        async with self._one_looks:
            if self._answers != answers:
                return
            self._say(f"{error}; waiting up to {self._limit_s:g} s for it to come back")
            pause_s = _FIRST_LOOK_S
            while True:
                self.failed(error)
                await asyncio.sleep(min(pause_s, self._limit_s))
                pause_s = min(2 * pause_s, _LAST_LOOK_S)
                try:
                    await scorer.model()
                except (ServerUnreachable, Timeout, Overloaded) as again:
                    error = again
                except ClientError as again:
                    if not is_away(again):
                        raise
                    error = again
                else:
                    break
            self.heard()
            self._say("the server is back")
