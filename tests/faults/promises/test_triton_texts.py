"""What a Triton says when it fails is for the log; the client gets a plain answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.backend.front import Front, front
from tests.faults.promises.discretion import require_discreet
from tests.waiting import wait_until

BAD_OUTPUTS = ("nan", "inf", "shape", "dtype", "short", "missing")
FAILURES = (
    *("INVALID_ARGUMENT", "INTERNAL", "UNKNOWN", "ABORTED", "UNIMPLEMENTED", "DATA_LOSS"),
    *("OUT_OF_RANGE", "FAILED_PRECONDITION", "PERMISSION_DENIED", "UNAUTHENTICATED"),
    "ALREADY_EXISTS",
)
FULL = ("queue", "RESOURCE_EXHAUSTED")
AWAY = ("NOT_FOUND", "UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED")  # ends what was proven
ANSWERS = {
    **dict.fromkeys(BAD_OUTPUTS, (500, "bad_model_output")),
    **dict.fromkeys(FAILURES, (502, "backend_failed")),
    **dict.fromkeys(FULL, (503, "overloaded")),
    **dict.fromkeys(AWAY, (503, "backend_unavailable")),
}


@pytest.fixture(scope="module")
def beside(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with front(repository, tmp_path_factory.mktemp("triton")) as made:
        yield made


@pytest.mark.parametrize("fault", ANSWERS)
def test_its_words_stay_inside(beside: Front, pictures: list[bytes], fault: str) -> None:
    beside.fake.switch(fault="")
    wait_until(beside.is_ready)
    beside.fake.switch(fault=fault)
    before = len(beside.log())
    for path in ("/classify", "/features", "/search", "/images"):
        answer = beside.client.post(path, content=pictures[0])
        place = (str(beside.wire.port), str(beside.fake.port), "Triton", "queue size")
        said = require_discreet(answer.status_code, answer.content, *place)
        assert (answer.status_code, said["code"]) == ANSWERS[fault]
        if answer.status_code == 503:
            assert answer.headers["Retry-After"] == "1"
    assert beside.client.get("/images").json()["count"] == 0  # nothing was stored
    if fault in FAILURES:
        wait_until(lambda: beside.log()[before:].count("gpu-node-7") >= 4)  # the cause, each time
