"""Whatever fails inside while a picture is looked at: a plain answer, and the cause in the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from alexnet_repository.errors import RepositoryError
from alexnet_repository.repository import Repository
from alexnet_server.call import Call
from alexnet_server.engine import Images, Inference
from alexnet_server.engine.batching import Batch, BatchingEngine
from alexnet_server.errors import EngineError
from tests.faults.promises.app_in_process import application
from tests.faults.promises.discretion import SECRET, require_discreet


def _of_onnxruntime() -> Exception:
    """One of its own, whose classes cannot be named: a graph that is none."""
    try:
        onnxruntime.InferenceSession(b"no graph", providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("it loaded")


FAULTS: list[Exception] = [
    RuntimeError(f"cannot reach {SECRET}"),
    OSError(5, "Input/output error", SECRET),
    PermissionError(13, "Permission denied", SECRET),
    FileNotFoundError(2, "No such file or directory", SECRET),
    ConnectionResetError(104, f"reset by {SECRET}"),
    TimeoutError(SECRET),
    MemoryError(SECRET),
    KeyError(SECRET),
    IndexError(SECRET),
    ValueError(SECRET),
    TypeError(f"{SECRET} is not callable"),
    AttributeError(f"no attribute {SECRET}"),
    AssertionError(SECRET),
    ZeroDivisionError(SECRET),
    RecursionError(SECRET),
    StopIteration(SECRET),
    UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
    EngineError(SECRET),
    RepositoryError(SECRET),
    _of_onnxruntime(),
]


class Failing:
    """A network and an engine, either of which fails with ``fault``."""

    view_side = 224

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.fault: Exception = ValueError("not told yet how to fail")

    def run(self, images: Images) -> Inference:
        raise self.fault

    def infer(self, images: Images, call: Call) -> Inference:
        raise self.fault

    def describe(self) -> dict[str, Any]:
        raise self.fault

    def ready(self) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.mark.parametrize("place", ["in the pass", "in the engine"])
def test_the_answer_is_plain_and_the_log_has_the_cause(
    place: str,
    repository: Path,
    pictures: list[bytes],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made: list[Failing] = []

    def engine_of(opened: Repository) -> Any:
        made.append(Failing(opened))
        return BatchingEngine(made[0], Batch()) if place == "in the pass" else made[0]

    in_pass = place == "in the pass"
    wanted = (502, "backend_failed") if in_pass else (500, "internal_error")
    with application(repository, tmp_path / "index.sqlite", engine_of) as (client, _):
        for fault in FAULTS:
            caplog.clear()
            made[0].fault = fault
            asked = [
                client.post("/classify", data=pictures[0]),
                client.put("/images/a", data=pictures[0]),
            ]
            if not in_pass:
                asked.append(client.get("/model"))
            for answer in asked:
                said = require_discreet(answer.status_code, answer.data, str(tmp_path))
                assert (answer.status_code, said["code"]) == wanted
                assert in_pass or said["request_id"] in caplog.text
            assert str(fault)[:40] in caplog.text, type(fault)
        assert client.get("/images").get_json()["count"] == 0  # nothing was stored


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_number_that_is_none_is_answered_or_stored(
    bad: float, repository: Path, pictures: list[bytes], tmp_path: Path
) -> None:
    class Mad(Failing):
        def run(self, images: Images) -> Inference:
            features = np.zeros((len(images), 32), np.float32)
            features[-1, -1] = bad
            return Inference(features, np.full((len(images), 6), 1 / 6, np.float32))

    def engine_of(opened: Repository) -> Any:
        return BatchingEngine(Mad(opened), Batch())

    with application(repository, tmp_path / "index.sqlite", engine_of) as (client, _):
        for answer in (
            client.post("/features", data=pictures[0]),
            client.put("/images/a", data=pictures[0]),
            client.post("/search", data=pictures[0]),
        ):
            said = require_discreet(answer.status_code, answer.data)
            assert (answer.status_code, said["code"]) == (500, "bad_model_output")
        assert client.get("/images").get_json()["count"] == 0
