"""Nothing stays behind: no memory, thread or descriptor for each request, good or malformed."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from alexnet_server.engine.batching import Batch
from tests.faults.backend.front import front
from tests.faults.leaks.mixture import Mixture
from tests.faults.size import sized
from tests.running_server import running_server
from tests.waiting import wait_until

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
MIB = 1024 * 1024
MAX_REQUESTS = 8  # few threads, since each keeps some memory from its first request on
ROUND = 400  # of the warm-up
QUIET_ROUNDS = 2  # in a row that add next to nothing end it; a single one may by chance
STABLE_BYTES = 2 * MIB
MOST_ROUNDS = 12
# ONNX Runtime keeps what its largest pass took; how large one becomes here is left to chance.
LARGEST_PASS = Batch().max_views
REQUESTS = {"local": sized(1_000, 10_000), "triton": sized(600, 4_000)}
CLIENTS = 4
MOST_BYTES = sized(12, 20) * MIB
# The index keeps a connection, of two files, for as many as ever read it at one time; in a warm-up
# with its short readings that may be less than one for each client.
MOST_INDEX_FILES = 2 * CLIENTS
PATIENCE_S = 30.0  # gRPC and waitress close what ended a little later


@contextmanager
def local(repository: Path, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    flags = ("--max-requests", str(MAX_REQUESTS))
    with running_server(repository, folder / "index.sqlite", *flags) as server:
        yield server.url, psutil.Process(server.process.pid)


@contextmanager
def beside_triton(repository: Path, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    with front(repository, folder, timeout_s=5.0, max_requests=MAX_REQUESTS) as made:
        wait_until(made.is_ready)
        yield made.server.url, psutil.Process(made.server.process.pid)


def send(mixtures: list[Mixture], count: int) -> None:
    threads = [
        threading.Thread(target=one.send, args=(count // len(mixtures),)) for one in mixtures
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def warm_up(url: str, process: psutil.Process) -> int:
    """Twice as many clients as later, so that nothing has to be opened later; returns the memory.

    Fails where the memory does not come to a rest.
    """
    mixtures = [Mixture(url, number) for number in range(2 * CLIENTS)]
    mixtures[0].fill(LARGEST_PASS)
    most, quiet = process.memory_info().rss, 0
    for _ in range(MOST_ROUNDS):
        send(mixtures, ROUND)
        now = process.memory_info().rss
        quiet = quiet + 1 if now - most < STABLE_BYTES else 0
        if quiet == QUIET_ROUNDS:
            return now
        most = max(most, now)
    raise AssertionError(f"still growing after {MOST_ROUNDS} rounds of {ROUND} requests")


def index_files(process: psutil.Process) -> int:
    return sum("index.sqlite" in one.path for one in process.open_files())


def other_descriptors(process: psutil.Process) -> int:
    return process.num_fds() - index_files(process)


# Of a Triton that comes and goes, tests/faults/backend asks as much in each `make test`.
ENGINES = sized({"local": local}, {"local": local, "triton": beside_triton})


@pytest.mark.parametrize("name", ENGINES)
def test_requests_leave_nothing_behind(
    name: str, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = REQUESTS[name]
    with ENGINES[name](repository, tmp_path) as (url, process):
        before = warm_up(url, process)
        mixtures = [Mixture(url, SEED + number) for number in range(CLIENTS)]
        threads, descriptors = process.num_threads(), other_descriptors(process)
        most_index_files = index_files(process) + MOST_INDEX_FILES
        send(mixtures, requests)
        grown = process.memory_info().rss - before
        wait_until(lambda: process.num_threads() <= threads, PATIENCE_S)
        wait_until(lambda: other_descriptors(process) <= descriptors, PATIENCE_S)
        assert index_files(process) <= most_index_files
    answers = sum((one.seen for one in mixtures), start=Counter())
    bad = {status for is_bad, status in answers if is_bad}
    assert bad <= {200, 400, 404, 405, 413, 415, 422, 503}, answers  # 200: a garbled one decodes
    good = {status for is_bad, status in answers if not is_bad}
    assert good <= {200, 201, 204, 404, 422, 503}, answers
    assert answers[False, 200] > requests / 5, answers
    assert grown < MOST_BYTES, f"{grown / MIB:.1f} MiB after {requests} requests (seed {SEED})"
    with capsys.disabled():
        sys.stdout.write(
            f"\nleaks: {requests} requests from seed {SEED}: {grown / MIB:+.1f} MiB, "
            f"{threads} threads and {descriptors} descriptors as before\n"
        )
