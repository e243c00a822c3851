"""A disk whose power can be cut: what was not synced is kept, lost, torn or garbled.

It lies under SQLite as an apsw VFS.  While it is registered it is the default, so the server's own
code opens its index on it unchanged.  The files themselves are written through; beside them a
``Disk`` keeps what each would be after a power cut, by the rules of SQLite's own tests
(sqlite.org/atomiccommit.html, section 2).
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

NAME = "power_cut"
_SYSTEM = "unix"
_SECTOR = 512  # a write is torn between two of them
_SYNCS_FOLDER = (
    apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
)

Content = bytearray | None  # None: no such file
Step = Callable[[Content], Content]


@dataclass
class Platter:
    """One file: what is safe, and what was done to it since it was last synced."""

    safe: Content = None
    pending: list[Step | Write] = field(default_factory=list)

    def sync(self) -> None:
        for step in self.pending:
            self.safe = step(self.safe)
        self.pending.clear()

    def sync_folder(self) -> None:
        """What was deleted is gone for good, whatever was written to a new file of its name."""
        if _gone in self.pending:
            last = len(self.pending) - 1 - self.pending[::-1].index(_gone)
            self.safe, self.pending = None, self.pending[last + 1 :]

    def after_a_cut(self, dice: random.Random, fates: tuple[str, ...]) -> Content:
        content = None if self.safe is None else bytearray(self.safe)
        for step in self.pending:
            fate = dice.choice(fates)
            if fate == "kept":
                content = step(content)
            elif fate != "lost" and isinstance(step, Write):
                content = getattr(step, fate)(dice)(content)
        return content


@dataclass(frozen=True)
class Write:
    """``data`` written at ``offset``."""

    offset: int
    data: bytes

    def __call__(self, content: Content) -> Content:
        content = bytearray() if content is None else content
        gap = self.offset + len(self.data) - len(content)
        content.extend(bytes(max(0, gap)))
        content[self.offset : self.offset + len(self.data)] = self.data
        return content

    def torn(self, dice: random.Random) -> Write:
        sectors = dice.randrange(len(self.data) // _SECTOR + 1)
        return Write(self.offset, self.data[: sectors * _SECTOR])

    def garbled(self, dice: random.Random) -> Write:
        return Write(self.offset, dice.randbytes(len(self.data)))


def _gone(content: Content) -> Content:
    return None


def _cut_to(size: int) -> Step:
    def step(content: Content) -> Content:
        content = bytearray() if content is None else content
        content[size:] = bytes(max(0, size - len(content)))
        return content

    return step


class Disk(apsw.VFS):
    """Cuts the power, in effect, at a share ``rate`` of the operations on it.

    ``on_cut`` gets the files as they would be found afterwards, by name; the disk itself goes on.
    With ``keeps_syncs`` False a sync is acknowledged and not done, as by a disk that lies.
    """

    def __init__(
        self,
        on_cut: Callable[[dict[str, bytes]], None],
        dice: random.Random,
        rate: float,
        *,
        keeps_syncs: bool = True,
    ) -> None:
        super().__init__(NAME, _SYSTEM, makedefault=True)
        self._on_cut, self._dice, self._rate = on_cut, dice, rate
        self._keeps_syncs = keeps_syncs
        self._lock = threading.RLock()  # guards _platters and _dice
        self._platters: dict[str, Platter] = defaultdict(Platter)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> DiskFile:
        return DiskFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.note(filename, _gone)
        super().xDelete(filename, syncdir)
        if syncdir:
            self.sync(filename, is_folder=True)

    def note(self, path: str, step: Step | Write) -> None:
        with self._lock:
            self._maybe_cut()
            self._platters[path].pending.append(step)

    def sync(self, path: str, *, is_folder: bool) -> None:
        with self._lock:
            self._maybe_cut()
            if not self._keeps_syncs:
                return
            self._platters[path].sync()
            if is_folder:
                for platter in self._platters.values():
                    platter.sync_folder()

    def _maybe_cut(self) -> None:
        if self._dice.random() < self._rate:
            dice = self._dice
            fates = dice.choice([("lost",), ("kept",), ("kept", "lost", "torn", "garbled")])
            found = {
                Path(path).name: platter.after_a_cut(dice, fates)
                for path, platter in self._platters.items()
            }
            self._on_cut({name: bytes(one) for name, one in found.items() if one is not None})


class DiskFile(apsw.VFSFile):
    """A file on a Disk; locks, shared memory and reads are the system's own."""

    def __init__(self, disk: Disk, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__(_SYSTEM, name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = path or "temporary"
        # SQLite's first sync of a new journal or WAL is also one of the folder it lies in.
        self._syncs_folder = bool(flags[0] & _SYNCS_FOLDER and flags[0] & apsw.SQLITE_OPEN_CREATE)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.note(self._path, Write(offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.note(self._path, _cut_to(newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.sync(self._path, is_folder=self._syncs_folder)
        self._syncs_folder = False
        super().xSync(flags)
