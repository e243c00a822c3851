"""Steps beside each other: at the same time, and none left behind."""

from __future__ import annotations

import threading

import pytest

from alexnet_server.engine.crew import Crew


def test_calls_run_at_the_same_time_and_answer_in_order() -> None:
    barrier = threading.Barrier(3)

    def call(number: int) -> int:
        barrier.wait(timeout=20)
        return number

    assert Crew().run([lambda n=n: call(n) for n in range(3)]) == [0, 1, 2]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failure_waits_for_the_others_and_is_raised(failing: int) -> None:
    crew, failed, ended = Crew(), threading.Event(), threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("no step")

    def go_on() -> None:
        assert failed.wait(timeout=20)
        ended.set()

    calls = [go_on, go_on]
    calls[failing] = fail
    with pytest.raises(ValueError, match="no step"):
        crew.run(calls)
    assert ended.is_set()
    assert crew.run([lambda: 1, lambda: 2]) == [1, 2]
