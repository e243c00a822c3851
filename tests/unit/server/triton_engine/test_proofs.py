"""The engine asks for the known answers before it believes a Triton, and whenever it returns."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from alexnet_server.call import Call
from alexnet_server.errors import BackendUnavailable, WrongAnswers
from alexnet_server.following import Following
from alexnet_server.served import Served
from tests.unit.server.triton_engine.backend import (
    PICTURES,
    TIMEOUT_S,
    UNITS,
    Backend,
    ask,
    expected,
    is_ready,
    proves,
)
from tests.waiting import wait_until


def test_nothing_is_answered_before_the_proof(backend: Backend) -> None:
    engine = backend.engine()
    with pytest.raises(BackendUnavailable):
        engine.infer(PICTURES, Call(TIMEOUT_S))
    assert not engine.ready()
    engine.prove()
    assert engine.ready()
    found = engine.infer(PICTURES, Call(TIMEOUT_S))
    assert found.features.shape == (16, UNITS)
    assert all(np.array_equal(found.features[row], expected(row)) for row in range(16))


def test_a_wrong_model_is_named_and_not_believed(backend: Backend) -> None:
    backend.fake.switch(is_wrong=True)
    engine = backend.engine()
    with pytest.raises(WrongAnswers, match="feature cosine"):
        engine.prove()
    assert not engine.ready()


def test_a_triton_that_was_away_must_prove_itself_again(backend: Backend) -> None:
    engine = backend.engine()
    engine.prove()
    backend.fake.kill()
    wait_until(lambda: not engine.ready())  # nobody asked: the connection told
    backend.fake.start()
    with pytest.raises(BackendUnavailable):
        engine.infer(PICTURES[:1], Call(TIMEOUT_S))
    backend.fake.switch(is_wrong=True)
    with pytest.raises((WrongAnswers, BackendUnavailable)):
        engine.prove()
    backend.fake.switch(is_wrong=False)
    wait_until(lambda: proves(engine))
    assert np.array_equal(engine.infer(PICTURES[:1], Call(TIMEOUT_S)).features[0], expected(0))


def test_many_requests_make_one_proof(backend: Backend, deploys: Following, served: Served) -> None:
    deploys.start()
    backend.fake.switch(latency_s=0.2, lacks="1")
    is_over = threading.Event()

    def keep_asking() -> None:
        while not is_over.is_set():
            try:
                served.answer(Call(TIMEOUT_S), ask)
            except BackendUnavailable:
                continue

    threads = [threading.Thread(target=keep_asking) for _ in range(16)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: backend.fake.switch()["proofs"] > 4)
        backend.fake.switch(lacks="")
        wait_until(lambda: is_ready(deploys))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert backend.fake.switch()["proofs_at_once"] == 1
