"""Many writers, one commit: each all or nothing, none told before it is durable."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import apsw
import numpy as np
import pytest

from alexnet_server.errors import PictureNotFound, StorageFailed
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Repeat
from alexnet_server.index.where import Where
from alexnet_server.index.writer import BATCH
from tests.unit.server.index.given import fill, picture
from tests.waiting import wait_until


@contextmanager
def held(index: PictureIndex) -> Iterator[None]:
    """The writer's thread stands in a write until this is left: what comes meanwhile waits."""
    is_in, may_go = threading.Event(), threading.Event()

    def hold(connection: apsw.Connection) -> None:
        is_in.set()
        assert may_go.wait(30)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(index._writer.write, hold)
        assert is_in.wait(30)
        try:
            yield
        finally:
            may_go.set()
        holding.result()


@contextmanager
def locked(index: PictureIndex) -> Iterator[None]:
    """Another program has SQLite's write lock."""
    other = apsw.Connection(str(index._database.path))
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def wait_for_queue(index: PictureIndex, count: int) -> None:
    wait_until(lambda: len(index._writer._waiting) == count)


def commits(index: PictureIndex) -> list[int]:
    """Grows by one with every commit."""
    seen: list[int] = []

    def committed() -> bool:
        seen.append(1)
        return False

    index._writer.write(lambda connection: connection.set_commit_hook(committed))
    seen.clear()
    return seen


def test_writes_that_wait_share_a_commit(index: PictureIndex, features: np.ndarray) -> None:
    seen = commits(index)
    with ThreadPoolExecutor(8) as pool:
        with held(index):
            writing = [pool.submit(index.upsert, [picture(f"p{i}", features[i])]) for i in range(8)]
            wait_for_queue(index, 8)
        for one in writing:
            assert one.result()[0].created
    assert len(seen) <= 2  # of the one that held the others up, and theirs
    assert index.count() == 8


def test_a_commit_is_no_larger_than_the_limit(index: PictureIndex, features: np.ndarray) -> None:
    seen = commits(index)
    with ThreadPoolExecutor(3) as pool, held(index):
        for i in range(3):
            many = [picture(f"p{i}-{j}", features[j]) for j in range(BATCH // 2 + 1)]
            pool.submit(index.upsert, many)
        wait_for_queue(index, 3)
    wait_until(lambda: index.count() == 3 * (BATCH // 2 + 1))
    assert len(seen) >= 3


def test_a_write_that_fails_fails_alone(index: PictureIndex, features: np.ndarray) -> None:
    with ThreadPoolExecutor(5) as pool:
        with held(index):
            good = [pool.submit(index.upsert, [picture(f"p{i}", features[i])]) for i in range(3)]
            bad = pool.submit(
                index.upsert, [picture("half", features[4]), Repeat("gone", "s", None, None)]
            )
            broken = pool.submit(
                index._writer.write, lambda connection: connection.execute("SELECT nothing")
            )
            wait_for_queue(index, 5)
        for one in good:
            one.result()
        with pytest.raises(PictureNotFound):
            bad.result()
        with pytest.raises(StorageFailed, match="nothing was stored"):
            broken.result()
    assert index.known(["p0", "p1", "p2", "half"]).keys() == {"p0", "p1", "p2"}


def test_a_commit_that_fails_refuses_all_and_applies_none(
    index: PictureIndex, features: np.ndarray
) -> None:
    fill(index, features[:2])
    applied = []
    writer = index._writer
    with ThreadPoolExecutor(3) as pool:
        with held_commit(index):
            writing = [
                pool.submit(index.upsert, [picture("a", features[5])]),
                pool.submit(index.delete, ["p0000"]),
                pool.submit(writer.write, insert_nothing, applied.append),
            ]
            wait_for_queue(index, 3)
        for one in writing:
            with pytest.raises(StorageFailed, match="nothing was stored"):
                one.result()
    writer_back(index)
    assert applied == []
    assert index.count() == 2
    assert index.page("", 10).count == len(index.page("", 10).pictures) == 2
    assert len(index.search(features[0], 10)) == 2
    index.upsert([picture("a", features[5])])
    assert index.count() == 3


def insert_nothing(connection: apsw.Connection) -> str:
    connection.execute("UPDATE generations SET report = NULL")
    return "done"


@contextmanager
def held_commit(index: PictureIndex) -> Iterator[None]:
    """As ``held``, where the commit of the holding write fails too."""
    try:
        with held(index):  # whose thread is not in SQLite meanwhile
            index._database.writer.set_commit_hook(lambda: True)
            yield
    except StorageFailed:
        pass


def writer_back(index: PictureIndex) -> None:
    index._database.writer.set_commit_hook(None)


def test_replies_come_after_the_commit_and_what_is_in_memory(
    index: PictureIndex, features: np.ndarray
) -> None:
    order = []
    is_told = threading.Event()

    def change(connection: apsw.Connection) -> int:
        connection.set_commit_hook(lambda: bool(order.append("commit")))
        connection.execute("UPDATE generations SET report = '{}'")
        order.append("change")
        return 5

    def applied(given: int) -> None:
        order.append(f"applied {given}, told {is_told.wait(0.1)}")

    result = index._writer.write(change, applied)
    is_told.set()
    order.append(f"reply {result}")
    writer_back(index)
    assert order == ["change", "commit", "applied 5, told False", "reply 5"]


def test_what_memory_cannot_take_is_stored_all_the_same(
    index: PictureIndex, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    assert index._writer.write(insert_nothing, fail) == "done"
    assert "could not be taken into memory" in caplog.text
    assert index._writer.write(insert_nothing) == "done"


def write_in(index: PictureIndex, features: np.ndarray, wait_s: float) -> list[float]:
    """Seconds until each kind of write was refused."""
    seconds = []
    for write in (
        lambda: index.upsert([picture("late", features[0])], wait_s),
        lambda: index.delete(["p0000"], wait_s),
        lambda: index.delete_where(Where("even"), wait_s=wait_s),
    ):
        began = time.monotonic()
        with pytest.raises(StorageFailed, match="nothing was stored"):
            write()
        seconds.append(time.monotonic() - began)
    return seconds


@pytest.mark.parametrize("wait_s", [0.3, -1.0])
def test_a_write_waits_no_longer_than_told(
    index: PictureIndex, features: np.ndarray, wait_s: float
) -> None:
    fill(index, features[:4])
    least = max(0.0, wait_s)
    for hold in (held, locked):  # by a writer in this process, and in another one
        with hold(index):
            for seconds in write_in(index, features, wait_s):
                assert least <= seconds < least + 1
    assert index.count() == 4  # nothing of what was refused came after all
    assert index.delete_where(Where("even"), wait_s=5).deleted == 2


def test_a_cancelled_write_never_ran(index: PictureIndex) -> None:
    ran = []
    with locked(index), pytest.raises(StorageFailed, match="for too long"):
        index._writer.write(ran.append, wait_s=0.1)
    index._writer.write(lambda _: None)
    assert ran == []


def test_writers_go_on_after_a_lock_is_gone(index: PictureIndex, features: np.ndarray) -> None:
    with ThreadPoolExecutor(4) as pool:
        with locked(index):
            writing = [pool.submit(index.upsert, [picture(f"p{i}", features[i])]) for i in range(4)]
            wait_for_queue(index, 4)
        for one in writing:
            one.result()
    assert index.count() == 4


def test_closing_writes_what_waits(tmp_path: Path, index: PictureIndex) -> None:
    done = []
    with ThreadPoolExecutor(2) as pool:
        with held(index):
            waiting = pool.submit(index._writer.write, done.append)
            wait_for_queue(index, 1)
            closing = pool.submit(index._writer.close)
            wait_until(lambda: index._writer._is_closing)
        waiting.result()
        closing.result()
    assert len(done) == 1
    with pytest.raises(StorageFailed, match="closed"):
        index._writer.write(done.append)
