"""How much to ask of a server at a time, found by measuring.

Two numbers: pictures a request, and requests in flight. Both are doubled in turn for as long as
more pictures a second come back; a step that gains nothing is taken back. A refusal halves, and
what was refused is not tried again soon. Found once, a step up is tried again from time to time,
ever more rarely: a server gets busier and idler.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_FLIGHT = 16
_FIRST_FLIGHT = 2  # one is looked at while the next is on its way

_GAIN = 1.03  # less than this is noise
# While answers are that quick, a step up that loses nothing stays: it cannot make anyone wait.
_QUICK_S, _QUICK_GAIN = 0.1, 0.97
_EPOCH_S = 0.5
_EPOCH_ROUNDS = 3
# A server gives an answer up after some seconds (5, by default): doubling stays well below.
_LONG_S, _TOO_LONG_S = 1.25, 4.0
_FIRST_PROBE_S, _LAST_PROBE_S = 4.0, 60.0


class Window:
    """The pictures a request (``size``) and the requests in flight (``flight``) for now.

    Args:
        max_size: pictures a request, at most.
        max_flight: requests in flight, at most.
        clock: seconds, rising.
    """

    def __init__(
        self,
        max_size: int,
        *,
        max_flight: int = MAX_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._now = {"size": 1, "flight": min(_FIRST_FLIGHT, max_flight)}
        self._most = {"size": max_size, "flight": max_flight}
        # The least that was refused; tried again never, what lies below it is searched by halves.
        self._refused = {"size": max_size + 1, "flight": max_flight + 1}
        self._trial: tuple[str, int] | None = None  # what was stepped up, and its value before
        self._next, self._fruitless = "size", 0
        self._rate = 0.0
        self._probe_every_s, self._probe_at = _FIRST_PROBE_S, clock()
        self.generation = 0
        # Of the present setting: when its first answer came, and what came since.
        self._began: float | None = None
        self._answers, self._pictures, self._seconds = 0, 0, 0.0

    @property
    def size(self) -> int:
        """Pictures a request."""
        return self._now["size"]

    @property
    def flight(self) -> int:
        """Requests in flight."""
        return self._now["flight"]

    def answered(self, pictures: int, seconds: float, generation: int) -> None:
        """Count an answer to a request sent at ``generation``, which took ``seconds``."""
        if generation == self.generation and self._began is None:
            self._began = self._clock()  # from here on the server sees the present setting
            return
        if self._began is None:
            return
        self._answers += 1
        self._pictures += pictures
        self._seconds += seconds
        elapsed = self._clock() - self._began
        if self._answers >= max(6, _EPOCH_ROUNDS * self.flight) and elapsed >= _EPOCH_S:
            self._judge(self._pictures / elapsed, self._seconds / self._answers)

    def refused(self, generation: int) -> None:
        """Take a refusal of a request sent at ``generation``; older ones were heeded before."""
        if generation != self.generation:
            return
        name = "flight" if self.flight > 1 else "size"
        smaller = max(1, self._now[name] // 2)
        if self._trial is not None:
            name, smaller = self._trial
        if self._now[name] > smaller:
            self._refused[name] = min(self._refused[name], self._now[name])
        self._rate = 0.0
        self._rest()
        self._set(name, smaller)

    def _judge(self, rate: float, answer_s: float) -> None:
        if answer_s > _TOO_LONG_S:
            self.refused(self.generation)
            return
        gain = _QUICK_GAIN if answer_s < _QUICK_S else _GAIN
        if self._trial is None:
            self._rate = rate
        elif rate >= gain * self._rate:
            self._rate, self._fruitless = max(rate, self._rate), 0
            self._probe_every_s = _FIRST_PROBE_S
        else:
            name, before = self._trial
            self._fruitless += 1
            self._set(name, before)
        self._trial = None
        if self._fruitless >= len(self._now):
            self._rest()
        if self._clock() >= self._probe_at and answer_s <= _LONG_S:
            self._step_up()
        self._begin()

    def _step_up(self) -> None:
        for _ in self._now:
            name, self._next = self._next, "flight" if self._next == "size" else "size"
            before, refused = self._now[name], self._refused[name]
            # Up to what was refused by halves, where that is known.
            aim = min(2 * before, self._most[name])
            aim = aim if aim < refused else (before + refused) // 2
            if aim > before:
                self._set(name, aim)
                self._trial = name, before
                return
        self._rest()

    def _rest(self) -> None:
        """Try no step up for a while, and for twice as long the next time."""
        self._probe_at = self._clock() + self._probe_every_s
        if self._probe_every_s >= _LAST_PROBE_S:  # long ago: the server may be another by now
            self._refused = {name: most + 1 for name, most in self._most.items()}
        self._probe_every_s = min(_LAST_PROBE_S, 2 * self._probe_every_s)
        self._fruitless = 0

    def _set(self, name: str, value: int) -> None:
        self._trial = None
        self._now[name] = value
        self.generation += 1
        self._begin()

    def _begin(self) -> None:
        self._began = None
        self._answers, self._pictures, self._seconds = 0, 0, 0.0
