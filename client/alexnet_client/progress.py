"""A line on the terminal that says how far a long command is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

_REDRAW_EVERY_S = 0.1


class Progress:
    """Pictures done, rate and time left, redrawn in place; silent if not on a terminal.

    Args:
        total: pictures in all.
        stream: where to draw; standard error if not given.
        clock: seconds, rising.
    """

    def __init__(
        self,
        total: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._shown = self._stream.isatty()
        self._start_s = clock()
        self._drawn_s = float("-inf")
        self._width = 0
        self._done = 0

    def advance(self, pictures: int) -> None:
        """Count ``pictures`` more as done (0 shows the line); with the last one it goes away."""
        self._done += pictures
        now_s = self._clock()
        if self._done >= self._total:
            self.clear()
        elif self._shown and now_s - self._drawn_s >= _REDRAW_EVERY_S:
            self._draw(self._line(now_s - self._start_s))
            self._drawn_s = now_s

    def clear(self) -> None:
        """Take the line away, so that other text can be written."""
        if self._width:
            # Blanks, not an escape sequence: older Windows consoles show those as text.
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def _draw(self, line: str) -> None:
        self.clear()
        line = line[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + line)
        self._stream.flush()
        self._width = len(line)

    def _line(self, elapsed_s: float) -> str:
        rate = self._done / elapsed_s if elapsed_s > 0 else 0.0
        line = f"{self._done} of {self._total} pictures"
        if rate:
            left_s = round((self._total - self._done) / rate)
            line += f", {rate:.1f} a second, {left_s // 60}:{left_s % 60:02d} left"
        return line
