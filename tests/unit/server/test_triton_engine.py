"""The engine and the fake Triton in the closest quarters: deadlines, proofs, versions."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.files import deployed
from alexnet_repository.repository import open_repository
from alexnet_server.deployed import Deployed, open_deployed
from alexnet_server.engine.breaker import FAILURES
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import TritonEngine, triton_engine
from alexnet_server.errors import (
    BackendFailed,
    BackendUnavailable,
    BadModelOutput,
    Overloaded,
    VersionGone,
    WrongAnswers,
)
from alexnet_server.following import Following
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.fakes.running_triton import RunningFake
from tests.fakes.triton_v2 import answers
from tests.photos import crops
from tests.random_checkpoint import CLASSES

UNITS = 32
TIMEOUT_S = 1.0
SLACK_S = 0.1
WAIT_S = 30
PICTURES = np.ascontiguousarray(crops(16, seed=9)[:, 16:240, 16:240])


@dataclass
class Backend:
    root: Path
    other: Path
    fake: RunningFake
    triton: Triton
    index: Path

    def engine(self) -> TritonEngine:
        return triton_engine(self.triton, open_repository(self.root))

    def deploy_other(self) -> None:
        deploy(self.other, Deployment(self.root))


@pytest.fixture
def backend(narrow_checkpoint: Path, tmp_path: Path) -> Iterator[Backend]:
    root, other = tmp_path / "repository", tmp_path / "other"
    deploy(narrow_checkpoint, Deployment(root))
    other.mkdir()
    (other / "pictures.npz").symlink_to(narrow_checkpoint / "pictures.npz")
    checkpoint, _ = load_checkpoint(narrow_checkpoint)
    bias = checkpoint.tensors["fc7.bias"] + np.float32(1)
    save_checkpoint(replace(checkpoint, tensors=checkpoint.tensors | {"fc7.bias": bias}), other)
    fake = RunningFake(root)
    fake.start()
    triton = Triton(f"127.0.0.1:{fake.port}", TIMEOUT_S)
    yield Backend(root, other, fake, triton, tmp_path / "index.sqlite")
    triton.close()
    fake.kill()


@pytest.fixture
def deploys(backend: Backend) -> Iterator[Following]:
    open_next = partial(
        open_deployed, backend.root, partial(triton_engine, backend.triton), backend.index
    )
    made = Following(open_next, partial(deployed, backend.root), backend.triton.lost)
    made.look()
    yield made
    made.close()


@pytest.fixture
def served(deploys: Following, backend: Backend) -> Served:
    return Served(Settings(backend_timeout_s=TIMEOUT_S), deploys)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def ask(now: Deployed) -> tuple[str, bytes]:
    return now.repository.version, now.engine.infer(PICTURES[:1]).features.tobytes()


def expected(picture: int) -> np.ndarray:
    return answers(PICTURES[picture], UNITS, len(CLASSES))[0]


def test_nothing_is_answered_before_the_proof(backend: Backend) -> None:
    engine = backend.engine()
    with pytest.raises(BackendUnavailable):
        engine.infer(PICTURES)
    assert not engine.ready()
    engine.prove()
    assert engine.ready()
    found = engine.infer(PICTURES)
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
        engine.infer(PICTURES[:1])
    backend.fake.switch(is_wrong=True)
    with pytest.raises((WrongAnswers, BackendUnavailable)):
        engine.prove()
    backend.fake.switch(is_wrong=False)
    wait_until(lambda: proves(engine))
    assert np.array_equal(engine.infer(PICTURES[:1]).features[0], expected(0))


def proves(engine: TritonEngine) -> bool:
    try:
        engine.prove()
    except BackendUnavailable:
        return False
    return True


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
        engine.infer(PICTURES[:2])
    assert caught.type is refusal
    assert engine.ready() == (refusal in (BadModelOutput, BackendFailed, Overloaded))


def test_a_triton_that_hangs_is_waited_for_no_longer_than_told(backend: Backend) -> None:
    engine = backend.engine()
    engine.prove()
    backend.fake.send(signal.SIGSTOP)
    for timeout_s in (TIMEOUT_S, 0.3):
        began = time.monotonic()
        with pytest.raises(BackendUnavailable):
            engine.within(timeout_s).infer(PICTURES[:1])
        assert timeout_s - 0.05 <= time.monotonic() - began <= timeout_s + SLACK_S
    backend.fake.send(signal.SIGCONT)


def test_one_that_hangs_again_and_again_is_left_alone(backend: Backend) -> None:
    engine = backend.engine().within(0.2)
    engine.prove()
    backend.fake.send(signal.SIGSTOP)
    for _ in range(FAILURES):
        with pytest.raises(BackendUnavailable):
            engine.infer(PICTURES[:1])
    began = time.monotonic()
    with pytest.raises(BackendUnavailable):
        engine.prove()
    assert time.monotonic() - began < 0.1  # not asked at all
    backend.fake.send(signal.SIGCONT)
    wait_until(lambda: proves(engine))
    assert np.array_equal(engine.infer(PICTURES[:1]).features[0], expected(0))


def test_a_reload_fails_no_request(backend: Backend, deploys: Following, served: Served) -> None:
    deploys.start()
    seen: list[tuple[str, bytes]] = []
    faults: list[BaseException] = []
    is_over = threading.Event()

    def keep_asking() -> None:
        try:
            while not is_over.is_set():
                seen.append(served.answer(ask))
        except BaseException as fault:  # noqa: BLE001 (shown by the assertion below)
            faults.append(fault)

    threads = [threading.Thread(target=keep_asking) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(seen) > 20)
        backend.deploy_other()
        backend.fake.switch(reload=True)
        wait_until(lambda: sum(version == "2" for version, _ in seen) > 20 or bool(faults))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert {version for version, _ in seen} == {"1", "2"}


def test_a_deploy_that_triton_does_not_have_waits(
    backend: Backend, deploys: Following, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    backend.deploy_other()
    for _ in range(3):
        deploys.look()
    assert deploys.next() == {"version": "2", "state": "awaited"}
    assert served.answer(ask)[0] == "1"
    assert caplog.text.count("alexnet-export reload") == 1
    backend.fake.switch(reload=True)
    deploys.look()
    assert deploys.next() is None
    assert served.answer(ask)[0] == "2"


def test_a_version_that_nobody_has_is_refused_in_time(
    backend: Backend, deploys: Following, served: Served
) -> None:
    deploys.start()
    backend.deploy_other()
    wait_until(lambda: deploys.next() == {"version": "2", "state": "awaited"})
    backend.fake.switch(lacks="1")
    with ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        refused = [pool.submit(served.answer, ask) for _ in range(16)]
        for one in refused:
            with pytest.raises(BackendUnavailable):
                one.result()
        assert time.monotonic() - began <= TIMEOUT_S + SLACK_S
    backend.fake.switch(lacks="")
    wait_until(lambda: served.answer(ask)[0] == "1" if is_ready(deploys) else False)


def is_ready(deploys: Following) -> bool:
    with deploys.hold() as now:
        return now.engine.ready()


def test_many_requests_make_one_proof(backend: Backend, deploys: Following, served: Served) -> None:
    deploys.start()
    backend.fake.switch(latency_s=0.2, lacks="1")
    is_over = threading.Event()

    def keep_asking() -> None:
        while not is_over.is_set():
            try:
                served.answer(ask)
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
