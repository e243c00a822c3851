"""The lines on disk, in the order of the pictures: what is in it was done, all else is missing.

A line is appended once all lines before it are there. A line whose error may pass is scored again
by a later run: its new line goes into a second file, and at the end both are merged into a new
first one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from alexnet_client.names import printable
from alexnet_client.scoring import durable, line
from alexnet_client.scoring.errors import Damaged
from alexnet_client.scoring.line import Line, Tally


class Ledger:
    """The lines of a run; one process at a time may have it open (`scoring.lock`).

    Args:
        path: the file of lines, made where it is missing.
        again: the file of lines that replace some of them.
        inputs: the paths of all pictures, in order, to compare the lines with.

    Attributes:
        done: how many pictures, from the first on, have a line.
        passing: the lines of those of them, by number, that had an error that may pass when the
            ledger was opened; the new line where there is one.
        tally: how many lines are of which kind, new ones in place of old ones.

    Raises:
        Damaged: a line is not that of its picture.
        OSError: a file cannot be read or written.
    """

    def __init__(self, path: Path, again: Path, inputs: Iterable[str]) -> None:
        self._path, self._again_path = path, again
        self.done = 0
        self.passing: dict[int, Line] = {}
        self.tally = Tally()
        self._new: dict[int, Line] = {}
        self._lines = _Appended(path)
        self._again = _Appended(again)
        try:
            self._read(iter(inputs))
        except BaseException:
            self.close()
            raise

    def append(self, lines: list[Line]) -> None:
        """Append the lines of the next pictures, durably, all of them or none.

        Raises:
            OSError: they cannot be written; the file is as it was.
        """
        self._lines.append(b"".join(map(line.encoded, lines)))
        for one in lines:
            self.tally.count(one)
        self.done += len(lines)

    def replace(self, lines: Mapping[int, Line]) -> None:
        """Note, durably, new lines for pictures that have one, by their numbers.

        Raises:
            OSError: they cannot be written; the files are as they were.
        """
        entries = (line.encoded({"number": n, **one}) for n, one in lines.items())
        self._again.append(b"".join(entries))
        for number, one in lines.items():
            self._renew(number, one)

    def merge(self) -> None:
        """Put the new lines into the file in place of the old ones.

        Raises:
            OSError: the merged file cannot be written; both files are as they were.
        """
        if not self._new:
            return
        self._lines.close()  # Windows puts nothing in the place of an open file
        try:
            durable.replace(self._path, self._write_merged)
        finally:
            self._lines = _Appended(self._path)
        self._again.cut(0)
        self._new.clear()

    def close(self) -> None:
        """Close the files."""
        self._lines.close()
        self._again.close()

    def _write_merged(self, file: IO[bytes]) -> None:
        for number, text in enumerate(self._lines.read()):
            new = self._new.get(number)
            file.write(text if new is None else line.encoded(new))

    def _read(self, inputs: Iterator[str]) -> None:
        good_bytes = 0
        bad: int | None = None
        for number, text in enumerate(self._lines.read()):
            try:
                one = line.decoded(text)
            except ValueError:
                bad = number if bad is None else bad  # a loss of power may leave blocks unwritten
                continue
            if bad is not None:
                raise self._damaged(bad, "it is not a line of pictures scored")
            if one["path"] != (path := next(inputs, None)):
                raise self._damaged(number, f"it is not that of {path!a}")
            self.tally.count(one)
            if line.is_retryable(one):
                self.passing[number] = one
            self.done += 1
            good_bytes += len(text)
        self._lines.cut(good_bytes)
        self._read_again()

    def _read_again(self) -> None:
        good_bytes = 0
        for text in self._again.read():
            try:
                one = json.loads(text)
                number = int(one.pop("number"))
            except (ValueError, KeyError, AttributeError):
                break
            good_bytes += len(text)
            # Of a picture that is final the merge was done, only this file not emptied yet.
            if number in self.passing:
                self._renew(number, one)
        self._again.cut(good_bytes if self._new else 0)

    def _renew(self, number: int, one: Line) -> None:
        self.tally.count(self.passing[number], -1)
        self.tally.count(one)
        self.passing[number] = self._new[number] = one

    def _damaged(self, number: int, reason: str) -> Damaged:
        return Damaged(
            f"line {number + 1} of {printable(str(self._path))} is not as it was written: {reason}"
            "; undo the change, or give another --out to begin anew"
        )


class _Appended:
    """A file of lines that only grows, unless its end is cut off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        is_new = not path.exists()
        self._file = path.open("a+b", buffering=0)
        if is_new:
            durable.sync_folder(path.parent)

    def read(self) -> Iterator[bytes]:
        """Yield the lines that have an end."""
        with self._path.open("rb") as file:
            for text in file:
                if text.endswith(b"\n"):
                    yield text

    def cut(self, size_bytes: int) -> None:
        """Keep only the first ``size_bytes``."""
        if os.fstat(self._file.fileno()).st_size != size_bytes:
            self._file.truncate(size_bytes)
            os.fsync(self._file.fileno())

    def append(self, content: bytes) -> None:
        """Append durably, or not at all."""
        before = os.fstat(self._file.fileno()).st_size
        left = memoryview(content)
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(before)
            raise

    def close(self) -> None:
        self._file.close()
