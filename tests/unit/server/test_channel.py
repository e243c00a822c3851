"""The breaker before a Triton, and whom the channel and the engine wake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from alexnet_repository.golden import Golden
from alexnet_server.engine.breaker import Breaker, Turn
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import Proof, TritonEngine
from alexnet_server.errors import BackendUnavailable, DeadlineExceeded, VersionGone
from tests.local_engine import unhurried

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def triton() -> Iterator[Triton]:
    made = Triton(NOWHERE, timeout_s=1.0)
    yield made
    made.close()


def test_a_request_without_time_left_is_no_probe(triton: Triton) -> None:
    """A probe that never came back would keep the breaker open for good."""
    triton._breaker = Breaker(failures=1, open_s=0.0)
    with pytest.raises(BackendUnavailable):
        triton.infer(service_pb2.ModelInferRequest(), 1.0)  # opens it; the next is a probe
    with pytest.raises(DeadlineExceeded):
        triton.infer(service_pb2.ModelInferRequest(), 0.0)
    assert triton._breaker.enter() is Turn.PROBE


def without_the_version() -> tuple[TritonEngine, SimpleNamespace]:
    def gone(
        request: service_pb2.ModelInferRequest, timeout_s: float, traceparent: str | None
    ) -> None:
        raise VersionGone("not here", timeout_s)

    asked = SimpleNamespace(outages=0, lost=threading.Event(), timeout_s=1.0, infer=gone)
    images = np.zeros((1, 224, 224, 3), np.uint8)
    golden = Golden(images, np.zeros((1, 4), np.float32), np.ones((1, 2), np.float32), "fp32")
    engine = TritonEngine(asked, "1", 224, 4, 2, golden, {}, Proof(outages=0))
    return engine, asked


def test_a_request_for_a_version_that_went_wakes_who_follows_the_deploys() -> None:
    engine, asked = without_the_version()
    with pytest.raises(VersionGone):
        engine.infer(engine.golden.images, unhurried())
    assert asked.lost.is_set()
    assert not engine.ready()


def test_a_proof_of_a_version_that_is_awaited_wakes_nobody() -> None:
    """Who proves is who would be woken: it would look again at once, for as long as it waits."""
    engine, asked = without_the_version()
    with pytest.raises(VersionGone):
        engine.prove()
    assert not asked.lost.is_set()
    assert not engine.ready()
