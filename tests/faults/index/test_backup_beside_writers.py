"""A backup while four threads write: whole, sound, and what was acknowledged before it began."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.index import Index, file_copy
from alexnet_server.index.backup import back_up
from alexnet_server.index.checking import check
from alexnet_server.index.inspected import Found, open_file, pictures
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import NewPicture
from tests.faults.size import sized
from tests.waiting import wait_until
from tests.written_index import BINDING

WRITERS = 4
BACKUPS = sized(3, 20)


@dataclass
class Writer:
    """Stores pictures 0, 1, 2, ... of its own; ``acknowledged`` is how many."""

    number: int
    index: Index
    stop: threading.Event
    acknowledged: int = 0
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.stop.is_set():
            self.index.upsert([made(self.number, self.acknowledged)])
            self.acknowledged += 1


def made(writer: int, number: int) -> NewPicture:
    features = np.full(BINDING.units, number + 1, np.float32)
    return NewPicture(f"{writer}-{number}", "0" * 64, None, {}, b"jpeg" * 100, features)


def held(path: Path) -> dict[str, list[int]]:
    """The numbers of each writer's pictures."""
    numbers: dict[str, list[int]] = {str(writer): [] for writer in range(WRITERS)}
    with open_file(path) as connection:
        for some in pictures(connection):
            for one in some:
                assert isinstance(one, Found)
                writer, _, number = one.id.partition("-")
                numbers[writer].append(int(number))
    return numbers


def test_a_backup_is_one_moment_of_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_copy, "_STEP_PAGES", 1)  # many steps, as of a large file
    indexes = Indexes(tmp_path / "index.sqlite")
    index = indexes.open(BINDING)
    stop = threading.Event()
    writers = [Writer(number, index, stop) for number in range(WRITERS)]
    try:
        for number in range(BACKUPS):
            enough = [one.acknowledged + 5 for one in writers]
            wait_until(enough_of(writers, enough))
            before = [one.acknowledged for one in writers]
            copy = tmp_path / f"{number}.sqlite"
            told = Told(writers)
            back_up(tmp_path / "index.sqlite", copy, told)
            assert told.done == sorted(told.done), "it began again"
            assert len(told.done) > 5
            assert check(copy, None).counts == {}
            for one, least in zip(writers, before, strict=True):
                numbers = held(copy)[str(one.number)]
                assert numbers == list(range(len(numbers)))
                assert least <= len(numbers) <= one.acknowledged + 1
    finally:
        stop.set()
        for one in writers:
            one.thread.join()
        indexes.close()
    assert check(tmp_path / "index.sqlite", None).pictures == sum(
        one.acknowledged for one in writers
    )


class Told:
    """The progress of a backup, in the middle of which every writer stores something."""

    def __init__(self, writers: list[Writer]) -> None:
        self._writers = writers
        self.done: list[int] = []

    def __call__(self, done: int, _all: int) -> None:
        self.done.append(done)
        if len(self.done) == 5:
            wait_until(enough_of(self._writers, [one.acknowledged + 1 for one in self._writers]))


def enough_of(writers: list[Writer], enough: list[int]) -> Callable[[], bool]:
    return lambda: all(
        one.acknowledged >= least for one, least in zip(writers, enough, strict=True)
    )
