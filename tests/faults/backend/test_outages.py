"""The server beside a Triton that hangs, dies, comes back or is another (tests/fakes)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.fakes.running_triton import RunningFake
from tests.faults.backend.front import Front, expected, features, front
from tests.faults.backend.load import load
from tests.faults.size import sized
from tests.waiting import wait_until

RETURN_S = 3.0  # from Triton's return to the first answer
CYCLES = sized(6, 100)


def kill(fake: RunningFake) -> None:
    fake.kill()


def stop(fake: RunningFake) -> None:
    fake.send(signal.SIGSTOP)


def go_on(fake: RunningFake) -> None:
    fake.send(signal.SIGCONT)


@pytest.mark.parametrize(
    ("take", "bring"), [(kill, RunningFake.start), (stop, go_on)], ids=["killed", "stopped"]
)
def test_triton_goes_and_comes_back_under_load(
    quick: Front,
    pictures: list[bytes],
    take: Callable[[RunningFake], None],
    bring: Callable[[RunningFake], None],
) -> None:
    with load(quick, pictures[0]) as asked:
        wait_until(lambda: asked.count(200) > 20)
        take(quick.fake)
        gone = time.monotonic()
        wait_until(lambda: asked.count(503, gone) > 100)
        assert not quick.is_ready()
        assert quick.client.get("/livez").status_code == 200
        assert quick.client.get("/images").status_code == 200
        bring(quick.fake)
        back = time.monotonic()
        wait_until(lambda: asked.count(200, back) > 20)
    asked.require_only_in_time()
    assert asked.first(200, back) <= back + RETURN_S


@pytest.mark.parametrize("mode", ["reset", "half", "drip", "stall"])
def test_a_wire_that_breaks(quick: Front, pictures: list[bytes], mode: str) -> None:
    with load(quick, pictures[0]) as asked:
        wait_until(lambda: asked.count(200) > 20)
        quick.wire.mode = mode
        broken = time.monotonic()
        wait_until(lambda: asked.count(503, broken) > 20)
        quick.wire.mode = "pass"
        whole = time.monotonic()
        wait_until(lambda: asked.count(200, whole) > 20)
    asked.require_only_in_time()
    assert asked.first(200, whole) <= whole + RETURN_S


def test_the_server_starts_before_its_triton(
    repository: Path, tmp_path: Path, pictures: list[bytes]
) -> None:
    with front(repository, tmp_path, is_up=False) as early:
        assert "not ready: pictures get 503 until it is" in early.log()
        assert early.client.get("/livez").status_code == 200
        unready = early.client.get("/readyz")
        assert (unready.status_code, unready.json()["code"]) == (503, "not_ready")
        answer = early.ask(pictures[0])
        assert (answer.status_code, answer.json()["code"]) == (503, "backend_unavailable")
        early.fake.start()
        wait_until(early.is_ready, RETURN_S)
        assert np.array_equal(features(early.ask(pictures[0])), expected(pictures[0]))


def test_another_model_in_tritons_place_is_never_served(
    quick: Front, pictures: list[bytes]
) -> None:
    with load(quick, pictures[0]) as asked:
        wait_until(lambda: asked.count(200) > 5)
        quick.fake.kill()
        gone = time.monotonic()
        wait_until(lambda: asked.count(503, gone) > 5)
        other = time.monotonic()
        quick.fake.start()
        quick.fake.switch(is_wrong=True)
        wait_until(lambda: "does not give the known answers" in quick.log())
        assert not quick.is_ready()
        seen = time.monotonic()
        wait_until(lambda: asked.count(503, seen) > 20)
        assert asked.count(200, other) == 0
        assert "feature cosine" in quick.log()
        quick.fake.switch(is_wrong=False)
        wait_until(lambda: asked.count(200) > 20)


def test_nothing_leaks_while_triton_comes_and_goes(quick: Front, pictures: list[bytes]) -> None:
    process = psutil.Process(quick.server.process.pid)

    def cycle() -> None:
        quick.wire.close()
        wait_until(lambda: quick.ask(pictures[0]).status_code == 503)
        quick.wire.open()
        wait_until(lambda: quick.ask(pictures[0]).status_code == 200)

    for _ in range(3):
        cycle()
    before = process.num_fds(), process.num_threads()
    for _ in range(CYCLES):
        cycle()
    # What a cycle left would be there 10 times; a connection that is just ending may be there once.
    wait_until(lambda: process.num_fds() <= before[0] + 3)
    wait_until(lambda: process.num_threads() <= before[1] + 3)
