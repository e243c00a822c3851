"""Scans and the writer share the cores."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alexnet_server.index.cores import Cores
from alexnet_server.index.scan import Scan
from tests.unit.server.index.given import opened
from tests.waiting import wait_until


@pytest.mark.parametrize(("count", "beside"), [(1, 1), (2, 1), (4, 3)])
def test_scans_leave_a_core_to_the_writer(count: int, beside: int) -> None:
    cores = Cores(count)
    assert most_at_once(cores) == count
    with cores.writing():
        assert most_at_once(cores) == beside
    assert most_at_once(cores) == count


def test_a_scan_that_waits_goes_on_when_nothing_is_written_any_more() -> None:
    cores, is_in = Cores(2), threading.Event()

    def second() -> None:
        with cores.one():
            is_in.set()

    with cores.one(), ThreadPoolExecutor(1) as pool:
        with cores.writing():
            waiting = pool.submit(second)
            assert not is_in.wait(0.1)
        assert is_in.wait(30)
        waiting.result()


def test_a_core_comes_back_where_a_part_of_a_scan_fails() -> None:
    scan = Scan(Cores(1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            scan.each(lambda part: 1 / part, [0.0])
    assert scan.each(lambda part: 2 * part, [1.0, 2.0]) == [2.0, 4.0]
    scan.close()


def test_the_parts_of_a_scan_take_cores() -> None:
    cores, inside, may_go = Cores(3), list[int](), threading.Event()
    scan = Scan(cores)

    def part(number: int) -> None:
        inside.append(number)
        assert may_go.wait(30)

    with cores.writing(), ThreadPoolExecutor(1) as pool:
        scanning = pool.submit(scan.each, part, list(range(6)))
        wait_until(lambda: len(inside) == 2)  # the scan has three threads
        with cores._changed:
            assert cores._taken == len(inside) == 2
        may_go.set()
        scanning.result()
    assert sorted(inside) == list(range(6))
    scan.close()


def test_the_writer_takes_a_core_while_it_writes(tmp_path: Path) -> None:
    index = opened(tmp_path / "index.sqlite")
    cores = index._writer.cores
    cores.count = 4
    seen: list[int] = []
    index._writer.write(lambda _connection: seen.append(cores._for_scans()))
    assert seen == [3]
    wait_until(lambda: cores._for_scans() == 4)
    index.close()


def most_at_once(cores: Cores) -> int:
    """How many of more threads than there are cores get one at the same time."""
    threads, may_go, inside, most = cores.count + 2, threading.Event(), [], [0]
    changing = threading.Lock()  # guards inside and most

    def work() -> None:
        with cores.one():
            with changing:
                inside.append(1)
                most[0] = max(most[0], len(inside))
            may_go.wait(30)
            with changing:
                inside.pop()

    with ThreadPoolExecutor(threads) as pool:
        working = [pool.submit(work) for _ in range(threads)]
        wait_until(lambda: cores._taken == cores._for_scans())
        may_go.set()
        for one in working:
            one.result()
    return most[0]
