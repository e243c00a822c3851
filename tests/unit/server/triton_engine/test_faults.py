"""What the engine calls each fault of a Triton, and how long it waits for one that hangs."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from alexnet_server.call import Call
from alexnet_server.engine.breaker import FAILURES
from alexnet_server.errors import (
    BackendFailed,
    BackendUnavailable,
    BadModelOutput,
    DeadlineExceeded,
    Overloaded,
    VersionGone,
)
from tests.unit.server.triton_engine.backend import (
    PICTURES,
    SLACK_S,
    TIMEOUT_S,
    Backend,
    expected,
    proves,
)
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        *(
            (fault, BadModelOutput)
            for fault in ("nan", "inf", "shape", "dtype", "short", "missing")
        ),
        *((fault, BackendFailed) for fault in ("INVALID_ARGUMENT", "INTERNAL", "UNKNOWN")),
        ("queue", Overloaded),
        ("NOT_FOUND", VersionGone),
        ("UNAVAILABLE", BackendUnavailable),
    ],
)
def test_what_each_fault_is_called(backend: Backend, fault: str, refusal: type) -> None:
    engine = backend.engine()
    engine.prove()
    backend.fake.switch(fault=fault)
    with pytest.raises(refusal) as caught:
        engine.infer(PICTURES[:2], Call(TIMEOUT_S))
    assert caught.type is refusal
    assert engine.ready() == (refusal in (BadModelOutput, BackendFailed, Overloaded))


def test_a_triton_that_hangs_is_waited_for_no_longer_than_told(backend: Backend) -> None:
    engine = backend.engine()
    engine.prove()
    backend.fake.send(signal.SIGSTOP)
    for timeout_s, refusal in ((TIMEOUT_S, BackendUnavailable), (0.3, DeadlineExceeded)):
        began = time.monotonic()
        with pytest.raises(refusal):
            engine.infer(PICTURES[:1], Call(timeout_s))
        assert timeout_s - 0.05 <= time.monotonic() - began <= timeout_s + SLACK_S
    backend.fake.send(signal.SIGCONT)


def test_requests_that_spent_their_time_elsewhere_open_no_breaker(backend: Backend) -> None:
    """Pictures that took long to decode left Triton a tenth of what a request has."""
    engine = backend.engine()
    engine.prove()
    backend.fake.switch(latency_s=0.4)
    late_s = 0.9 * TIMEOUT_S
    for _ in range(FAILURES + 1):
        call = Call(TIMEOUT_S, began_s=time.monotonic() - late_s)
        with pytest.raises(DeadlineExceeded):
            engine.infer(PICTURES[:1], call)
    assert engine.ready()
    found = engine.infer(PICTURES[:1], Call(TIMEOUT_S))
    assert np.array_equal(found.features[0], expected(0))


def test_one_that_hangs_again_and_again_is_left_alone(backend: Backend) -> None:
    engine = backend.engine()
    engine.prove()
    backend.fake.send(signal.SIGSTOP)
    for _ in range(FAILURES):
        with pytest.raises(BackendUnavailable):
            engine.infer(PICTURES[:1], Call(TIMEOUT_S))
    began = time.monotonic()
    with pytest.raises(BackendUnavailable):
        engine.prove()
    assert time.monotonic() - began < 0.1  # not asked at all
    backend.fake.send(signal.SIGCONT)
    wait_until(lambda: proves(engine))
    assert np.array_equal(engine.infer(PICTURES[:1], Call(TIMEOUT_S)).features[0], expected(0))
