"""The server beside a Triton that answers, lies or fails (tests/fakes)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.triton_v2 import QUEUE_FULL, SECRET
from tests.faults.backend.front import (
    Front,
    expected,
    features,
    front,
    strict,
)
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def shared(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A patient server, for what is not about time."""
    with front(repository, tmp_path_factory.mktemp("shared"), timeout_s=30) as made:
        yield made


def test_answers_are_tritons(shared: Front, pictures: list[bytes]) -> None:
    assert np.array_equal(features(shared.ask(pictures[0])), expected(pictures[0]))
    model = shared.client.get("/model").json()
    assert (model["engine"], model["next"], len(model["steps"])) == ("triton", None, 9)


FAULTS = {
    **dict.fromkeys(
        ("nan", "inf", "shape", "dtype", "short", "missing"), (500, "bad_model_output")
    ),
    **dict.fromkeys(
        (
            *("INVALID_ARGUMENT", "INTERNAL", "UNKNOWN", "PERMISSION_DENIED", "UNAUTHENTICATED"),
            *("FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED", "ABORTED", "ALREADY_EXISTS"),
        ),
        (502, "backend_failed"),
    ),
    **dict.fromkeys(("queue", "RESOURCE_EXHAUSTED"), (503, "overloaded")),
    **dict.fromkeys(("UNAVAILABLE", "NOT_FOUND", "CANCELLED"), (503, "backend_unavailable")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_tritons_is_never_the_clients(
    shared: Front, pictures: list[bytes], fault: str
) -> None:
    wait_until(shared.is_ready)
    shared.fake.switch(fault=fault)
    try:
        refused = [shared.ask(pictures[0]) for _ in range(3)]
        refused.append(shared.ask(pictures[1], "/images"))
    finally:
        shared.fake.switch(fault="")
    for answer in refused:
        body = strict(answer)
        assert (answer.status_code, body["code"]) == FAULTS[fault]
        assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
        for secret in (SECRET, QUEUE_FULL, "/srv", "queue size", "unknown model", "127.0.0.1"):
            assert secret not in answer.text
        assert str(shared.wire.port) not in answer.text
    if FAULTS[fault][0] == 502:
        assert SECRET in shared.log()
    assert shared.client.get("/images").json()["count"] == 0
    wait_until(lambda: shared.ask(pictures[0]).status_code == 200)


def test_a_full_queue_opens_no_breaker(shared: Front, pictures: list[bytes]) -> None:
    wait_until(shared.is_ready)
    shared.fake.switch(fault="queue")
    codes = [strict(shared.ask(pictures[0]))["code"] for _ in range(12)]
    shared.fake.switch(fault="")
    assert codes == ["overloaded"] * 12
    assert shared.ask(pictures[0]).status_code == 200
