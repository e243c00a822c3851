from __future__ import annotations

import threading

import pytest

from alexnet_server.engine.breaker import FAILURES, OPEN_S, Breaker, Turn


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock=clock)
    turns = [breaker.enter() for _ in range(FAILURES)]
    assert turns == [Turn.CALL] * FAILURES
    said = [breaker.leave(turn, succeeded=False) for turn in turns]
    assert said == [False] * (FAILURES - 1) + [True]
    return breaker


def test_failures_must_come_in_a_row(clock: Clock) -> None:
    breaker = Breaker(clock=clock)
    for number in range(FAILURES * 3):
        turn = breaker.enter()
        assert turn is Turn.CALL
        breaker.leave(turn, succeeded=number % FAILURES == FAILURES - 1)
    assert breaker.enter() is Turn.CALL


def test_open_it_refuses_then_lets_one_probe_in(opened: Breaker, clock: Clock) -> None:
    assert opened.enter() is Turn.REFUSED
    clock.now += OPEN_S * 0.99
    assert opened.enter() is Turn.REFUSED
    clock.now += OPEN_S * 0.02
    assert opened.enter() is Turn.PROBE
    assert opened.enter() is Turn.REFUSED


def test_a_probe_that_succeeds_closes_it(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_S
    assert not opened.leave(opened.enter(), succeeded=True)
    for _ in range(FAILURES - 1):  # and the count begins again
        assert not opened.leave(opened.enter(), succeeded=False)
    assert opened.enter() is Turn.CALL


def test_a_probe_that_fails_opens_it_again(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_S
    assert opened.leave(opened.enter(), succeeded=False)
    assert opened.enter() is Turn.REFUSED
    clock.now += OPEN_S
    assert opened.enter() is Turn.PROBE


def test_a_call_that_says_nothing_neither_counts_nor_forgives(clock: Clock) -> None:
    breaker = Breaker(clock=clock)
    for _ in range(FAILURES - 1):
        breaker.leave(breaker.enter(), succeeded=False)
    for _ in range(FAILURES):
        assert not breaker.leave(breaker.enter(), succeeded=None)
    assert breaker.leave(breaker.enter(), succeeded=False)


def test_after_a_probe_that_says_nothing_the_next_is_one(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_S
    assert not opened.leave(opened.enter(), succeeded=None)
    assert opened.enter() is Turn.PROBE
    assert opened.enter() is Turn.REFUSED


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_late_call_changes_nothing(clock: Clock, succeeded: bool) -> None:
    breaker = Breaker(clock=clock)
    late = breaker.enter()
    for _ in range(FAILURES):
        breaker.leave(breaker.enter(), succeeded=False)
    clock.now += OPEN_S
    probe = breaker.enter()
    assert not breaker.leave(late, succeeded=succeeded)
    assert breaker.enter() is Turn.REFUSED  # the probe is still out
    breaker.leave(probe, succeeded=True)
    assert breaker.enter() is Turn.CALL


def test_of_many_threads_one_probes(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_S
    together = threading.Barrier(32)
    turns: list[Turn] = []

    def ask() -> None:
        together.wait()
        turns.append(opened.enter())

    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turn.name for turn in turns) == ["PROBE"] + ["REFUSED"] * 31
