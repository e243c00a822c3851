"""Codes in memory: against a dictionary, and beside others that change them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from alexnet_server.index.blocks import HEAD_BYTES, Blocks, SharedLock, heads_of, places
from tests.waiting import wait_until

CODE_BYTES = 8


def codes_of(keys: np.ndarray, code_bytes: int = CODE_BYTES) -> np.ndarray:
    """A code that tells its key, [n, code_bytes]."""
    one = keys.astype("<i8").view(np.uint8).reshape(len(keys), 8)
    return np.tile(one, code_bytes // 8)


def told(blocks: Blocks) -> list[int]:
    """The keys that are there, once every code was found beside its own key."""
    with blocks.reading() as read:
        for block in read:
            np.testing.assert_array_equal(block.codes, codes_of(block.keys, blocks.code_bytes))
            np.testing.assert_array_equal(block.heads, heads_of(block.codes))
        return [int(key) for block in read for key in block.keys]


@pytest.mark.parametrize("code_bytes", [CODE_BYTES, 2 * HEAD_BYTES])
def test_blocks_are_a_sorted_dictionary(code_bytes: int) -> None:
    random = np.random.default_rng(1)
    blocks, expected, next_key = Blocks(code_bytes, rows=16), [], 1
    for _ in range(300):
        if random.random() < 0.5 or not expected:
            keys = next_key + np.cumsum(random.integers(1, 4, random.integers(1, 40)))
            next_key = int(keys[-1]) + 1
            blocks.append(keys, codes_of(keys, code_bytes))
            expected += keys.tolist()
        else:
            wanted = random.choice(expected, random.integers(1, len(expected) + 1), replace=False)
            blocks.remove([*wanted.tolist(), next_key + 5, wanted[0]])  # absent and twice
            expected = sorted(set(expected) - set(wanted.tolist()))
        assert told(blocks) == expected
        assert blocks.keys().tolist() == expected


def test_nothing_is_appended_and_removed() -> None:
    blocks = Blocks(CODE_BYTES)
    blocks.append(np.empty(0, np.int64), np.empty((0, CODE_BYTES), np.uint8))
    blocks.remove([])
    blocks.remove([3])
    assert told(blocks) == []
    assert blocks.last == 0


def test_keys_out_of_order_are_refused() -> None:
    blocks = Blocks(CODE_BYTES)
    for keys in ([5, 5], [5, 4]):
        with pytest.raises(ValueError, match="in order of key"):
            blocks.append(np.array(keys), codes_of(np.array(keys)))
    blocks.append(np.array([7]), codes_of(np.array([7])))
    with pytest.raises(ValueError, match="in order of key"):
        blocks.append(np.array([7]), codes_of(np.array([7])))


def test_pictures_that_are_replaced_again_and_again_take_no_more_blocks() -> None:
    blocks = Blocks(CODE_BYTES, rows=32)
    keys = np.arange(1, 101)
    blocks.append(keys, codes_of(keys))
    random = np.random.default_rng(2)
    for _ in range(500):
        with blocks.reading() as read:
            old = random.choice(np.concatenate([block.keys for block in read]))
        keys = np.array([keys[-1] + 1])
        blocks.append(keys, codes_of(keys))
        blocks.remove([old])
    with blocks.reading() as read:
        assert sum(len(block.keys) for block in read) == 100
        assert len(read) <= 8  # of two neighbours one is more than half full


def test_a_reader_sees_what_was_there_whatever_is_appended() -> None:
    blocks = Blocks(CODE_BYTES, rows=8)
    blocks.append(np.array([1, 2, 3]), codes_of(np.array([1, 2, 3])))
    with blocks.reading() as read:
        blocks.append(np.arange(4, 30), codes_of(np.arange(4, 30)))
        assert [block.keys.tolist() for block in read] == [[1, 2, 3]]
    assert told(blocks) == list(range(1, 30))


@contextmanager
def started(target: object) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=target)  # type: ignore[arg-type]
    thread.start()
    try:
        yield thread
    finally:
        thread.join(60)
        assert not thread.is_alive()


def test_removing_waits_for_who_reads_and_goes_before_who_comes_later() -> None:
    lock, order = SharedLock(), []

    def change() -> None:
        with lock.alone():
            order.append("changed")

    def read() -> None:
        with lock.shared():
            order.append("read")

    with lock.shared():
        writer = threading.Thread(target=change)
        writer.start()
        wait_until(lambda: lock._is_wanted)
        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: len(lock._changed._waiters) == 2)  # type: ignore[attr-defined]
        order.append("left")
    for thread in (writer, reader):
        thread.join(60)
    assert order == ["left", "changed", "read"]


def test_a_reader_that_fails_lets_the_others_go_on() -> None:
    lock = SharedLock()
    for side in (lock.shared, lock.alone):
        with pytest.raises(RuntimeError), side():
            raise RuntimeError
    done = threading.Event()

    def change() -> None:
        with lock.alone():
            done.set()

    with started(change):
        assert done.wait(60)


def test_places_of_what_is_there() -> None:
    ascending = np.array([2, 3, 5, 8])
    assert places(ascending, np.array([1, 3, 4, 8, 9])).tolist() == [1, 3]
    assert places(ascending, np.array([], np.int64)).tolist() == []
    assert places(np.array([], np.int64), ascending).tolist() == []
