"""Clients that search one engine, one after the other or at once."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.searching.engine import Engine
from benchmarks.searching.features import NEAREST, Features, Keys, Values

WRITERS = 4
BATCH_BESIDE = 64
_POOL = 2_048  # pictures, which are stored again and again under new keys
_COLD_QUERIES = 20


def recall(engine: Engine, queries: Values, nearest: Keys) -> float:
    """The part of the pictures really nearest that the engine finds, and all it reads is warm."""
    found = [set(engine.search(query, NEAREST)) for query in queries]
    hits = [len(one & set(true)) for one, true in zip(found, nearest.tolist(), strict=True)]
    return round(sum(hits) / nearest.size, 4)


def latency(engine: Engine, queries: Values, rounds: int) -> dict[str, Any]:
    """One client's waits, each query ``rounds`` times."""
    waits = [_seconds(engine, query) for _ in range(rounds) for query in queries]
    return {"n": len(waits)} | _waits_ms(waits)


def cold_latency(engine: Engine, queries: Values, folder: Path) -> dict[str, Any]:
    """The same where nothing of the engine's files is in the page cache.

    What an engine has in memory stays there, and so does what it has mapped.
    """
    waits = []
    for query in queries[:_COLD_QUERIES]:
        forget(folder)
        waits.append(_seconds(engine, query))
    return {"n": len(waits)} | _waits_ms(waits)


def throughput(engine: Engine, queries: Values, clients: int, seconds: float) -> dict[str, Any]:
    """Searches a second of ``clients`` threads that ask again at once."""
    begin, waits = time.perf_counter(), list[float]()
    until_s = begin + seconds
    _run_at_once([_searching(engine, queries, waits, n, until_s=until_s) for n in range(clients)])
    rate = len(waits) / (time.perf_counter() - begin)
    return {"clients": clients, "n": len(waits), "per_s": round(rate, 1)} | _waits_ms(waits)


def inserting_beside(
    engine: Engine,
    features: Features,
    clients: int,
    seconds: float,
    *,
    first_key: int,
    pause_s: float = 0.0,
) -> dict[str, Any]:
    """Pictures a second that WRITERS store while ``clients`` search, and how those fare.

    The pictures are the first of the index again, under new keys from ``first_key`` on, and their
    features in memory: a server has them from its network.  Between two searches a client makes a
    pause of ``pause_s``.  As long again before it, nothing is counted: the pages of an index that
    was just opened come from the disk, those of one that runs do not.
    """
    queries, waits, numbers, stored = features.queries(), list[float](), itertools.count(), []
    pool = features.read(0, _POOL)
    begin = time.perf_counter() + seconds

    def insert() -> None:
        while (now := time.perf_counter()) < begin + seconds:
            start = BATCH_BESIDE * next(numbers)
            batch = pool[start % len(pool) :][:BATCH_BESIDE]
            engine.add(first_key + start + np.arange(len(batch)), batch)
            if now >= begin:
                stored.append(len(batch))

    until_s = begin + seconds
    searching = [
        _searching(
            engine, queries, waits, n, counted_from_s=begin, until_s=until_s, pause_s=pause_s
        )
        for n in range(clients)
    ]
    _run_at_once([insert] * WRITERS + searching)
    took_s = time.perf_counter() - begin
    return {
        "pause_s": pause_s,
        "writers": WRITERS,
        "batch": BATCH_BESIDE,
        "clients": clients,
        "n": sum(stored),
        "inserts_per_s": round(sum(stored) / took_s),
        "searches_per_s": round(len(waits) / took_s, 1),
    } | _waits_ms(waits)


def forget(folder: Path) -> None:
    """Drop the files of a folder from the page cache; in a process of its own.

    Who closes a file that SQLite has open in the same process takes its locks away.
    """
    module = "benchmarks.searching.forgetting"
    subprocess.run([sys.executable, "-m", module, str(folder)], check=True)  # noqa: S603


def _searching(
    engine: Engine,
    queries: Values,
    waits: list[float],
    number: int,
    *,
    until_s: float,
    counted_from_s: float = 0.0,
    pause_s: float = 0.0,
) -> Callable[[], None]:
    def search() -> None:
        # Each begins elsewhere: they do not ask the same at the same moment.
        for query in itertools.islice(itertools.cycle(queries), 7 * number, None):
            if (now := time.perf_counter()) >= until_s:
                return
            waited_s = _seconds(engine, query)
            if now >= counted_from_s:
                waits.append(waited_s)
            time.sleep(pause_s)

    return search


def _run_at_once(works: Sequence[Callable[[], None]]) -> None:
    failed: list[Exception] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 (the thread's boundary: raised below)
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _seconds(engine: Engine, query: Values) -> float:
    began = time.perf_counter()
    engine.search(query, NEAREST)
    return time.perf_counter() - began


def _waits_ms(waits: Sequence[float]) -> dict[str, Any]:
    return {
        "p50_ms": round(1000 * statistics.median(waits), 2),
        "p99_ms": round(1000 * float(np.quantile(waits, 0.99)), 2),
    }
