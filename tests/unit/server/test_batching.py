"""Requests share passes, each gets its own rows, and nobody waits who need not."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from alexnet_repository.repository import open_repository
from alexnet_server.call import Call
from alexnet_server.engine import Inference
from alexnet_server.engine.batching import Batch, BatchingEngine
from alexnet_server.engine.local import LocalNetwork
from alexnet_server.errors import (
    BackendFailed,
    BadModelOutput,
    ClientGone,
    DeadlineExceeded,
    ShuttingDown,
)
from tests.held_network import BROKEN, CUT, FALLEN, HeldNetwork
from tests.local_engine import unhurried
from tests.narrow_repository import deploy_narrow
from tests.photos import crops
from tests.waiting import wait_until


class Asking:
    """Requests of ``views`` pictures each, made of one number, asked one after the other."""

    def __init__(self, batch: Batch) -> None:
        self.network = HeldNetwork()
        self.told: list[int] = []
        self.engine = BatchingEngine(
            self.network, batch, lambda views, seconds: self.told.append(views)
        )
        self._threads = ThreadPoolExecutor(80)
        self.asked: list[Future[Inference]] = []

    def ask(self, number: int, views: int = 1, call: Call | None = None) -> Future[Inference]:
        """Returns once the request is in line, in a pass, or has ended."""
        images = np.full((views, 2, 2, 3), number, np.uint8)
        before = self._seen()
        asked = self._threads.submit(self.engine.infer, images, call or unhurried())
        wait_until(lambda: self._seen() >= before + views or asked.done())
        self.asked.append(asked)
        return asked

    def hold(self) -> Future[Inference]:
        """A request whose pass is at the gate: what comes now stays in line."""
        held = self.ask(0)
        wait_until(lambda: self.network.passes == [[0]])
        return held

    def close(self) -> None:
        self.network.gate.set()
        self.engine.close()
        self._threads.shutdown()

    def _seen(self) -> int:
        return self.engine.waiting + sum(len(numbers) for numbers in self.network.passes)


@pytest.fixture
def asking() -> Iterator[Asking]:
    made = Asking(Batch(max_views=8))
    yield made
    made.close()


def rows(asked: Future[Inference]) -> list[float]:
    return asked.result(60).features[:, 0].tolist()


def test_who_comes_during_a_pass_shares_the_next_in_order(asking: Asking) -> None:
    held = asking.hold()
    later = [asking.ask(number) for number in range(1, 6)]
    asking.network.gate.set()
    assert [rows(one) for one in later] == [[float(number)] for number in range(1, 6)]
    assert rows(held) == [0.0]
    assert asking.network.passes == [[0], [1, 2, 3, 4, 5]]
    wait_until(lambda: asking.told == [1, 5])


def test_a_pass_is_full_in_views_and_not_in_requests(asking: Asking) -> None:
    asking.hold()
    for number in (1, 2, 3):
        asking.ask(number, views=3)
    asking.network.gate.set()
    assert [rows(one) for one in asking.asked] == [[0.0], [1.0] * 3, [2.0] * 3, [3.0] * 3]
    assert [len(numbers) for numbers in asking.network.passes] == [1, 6, 3]


def test_a_request_larger_than_a_pass_goes_alone_and_keeps_its_place(asking: Asking) -> None:
    asking.hold()
    asking.ask(1)
    asking.ask(2, views=9)
    asking.ask(3)
    asking.network.gate.set()
    assert rows(asking.asked[2]) == [2.0] * 9
    assert rows(asking.asked[3]) == [3.0]
    assert asking.network.passes == [[0], [1], [2] * 9, [3]]


def test_the_spans_and_the_size_of_the_pass_are_told(asking: Asking) -> None:
    asking.hold()
    call = unhurried()
    asking.ask(1, views=2, call=call)
    asking.ask(2)
    asking.network.gate.set()
    rows(asking.asked[1])
    assert call.facts["batch_views"] == 3
    assert set(call.spans_s) == {"queue", "infer"}
    assert 0 < sum(call.spans_s.values()) <= time.monotonic() - call.began_s


def test_a_late_request_leaves_the_line_and_is_not_computed(asking: Asking) -> None:
    asking.hold()
    call = Call(timeout_s=0.2)
    with pytest.raises(DeadlineExceeded):
        asking.ask(1, call=call).result(60)
    assert asking.engine.waiting == 0  # at its deadline, and not when the pass before it ends
    assert call.left_s() > -1
    assert call.spans_s["queue"] >= 0.15
    asking.network.gate.set()
    rows(asking.ask(2))
    assert asking.network.passes == [[0], [2]]


def test_a_request_whose_client_is_gone_leaves_the_line_and_is_not_computed(
    asking: Asking,
) -> None:
    asking.hold()
    hung_up = threading.Event()
    gone = asking.ask(1, call=Call(60, is_connected=lambda: not hung_up.is_set()))
    stayed = asking.ask(2)
    hung_up.set()
    with pytest.raises(ClientGone):
        gone.result(60)
    assert asking.engine.waiting == 1
    asking.network.gate.set()
    assert rows(stayed) == [2.0]
    assert asking.network.passes == [[0], [2]]


def test_one_that_is_gone_when_its_turn_comes_is_not_computed(asking: Asking) -> None:
    """The line is cleared by the pass as well: a request looks after its client now and then."""
    asking.hold()
    hung_up = threading.Event()
    asked = [
        asking.ask(number, call=Call(60, is_connected=lambda: not hung_up.is_set()))
        for number in (1, 2)
    ]
    hung_up.set()
    asking.network.gate.set()
    for one in asked:
        with pytest.raises(ClientGone):
            one.result(60)
    rows(asking.ask(3))
    assert asking.network.passes == [[0], [3]]


def test_a_deadline_during_a_pass_is_not_waited_out(asking: Asking) -> None:
    call = Call(timeout_s=0.2)
    with pytest.raises(DeadlineExceeded):
        asking.ask(1, call=call).result(60)
    assert not asking.network.gate.is_set()
    assert call.spans_s["infer"] > 0.1


def test_a_request_without_time_is_not_put_in_line(asking: Asking) -> None:
    with pytest.raises(DeadlineExceeded):
        asking.engine.infer(np.zeros((1, 2, 2, 3), np.uint8), Call(timeout_s=0.0))
    assert asking.network.passes == []


def test_nan_in_one_requests_rows_spoils_no_other(asking: Asking) -> None:
    asking.hold()
    asked = [asking.ask(number) for number in (1, BROKEN, 3)]
    asking.network.gate.set()
    with pytest.raises(BadModelOutput, match="NaN"):
        rows(asked[1])
    assert (rows(asked[0]), rows(asked[2])) == ([1.0], [3.0])
    assert asking.network.passes == [[0], [1, BROKEN, 3]]


@pytest.mark.parametrize("culprit", [FALLEN, CUT])
def test_a_pass_that_fails_fails_its_requests_alone(asking: Asking, culprit: int) -> None:
    asking.hold()
    asked = [asking.ask(number) for number in (1, culprit)]
    asking.network.gate.set()
    for one in asked:
        with pytest.raises(BackendFailed) as caught:
            rows(one)
        assert "fell" not in str(caught.value)
    assert asked[0].exception() is not asked[1].exception()  # each with frames of its own
    assert rows(asking.ask(5)) == [5.0]


def test_an_observer_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fall(views: int, seconds: float) -> None:
        raise RuntimeError("the observer fell over")

    network = HeldNetwork()
    network.gate.set()
    engine = BatchingEngine(network, Batch(), fall)
    for _ in range(2):
        engine.infer(np.zeros((1, 2, 2, 3), np.uint8), unhurried())
    engine.close()
    assert "the observer fell over" in caplog.text


def test_a_pass_waits_for_others_as_long_as_told_and_no_longer() -> None:
    asking = Asking(Batch(max_views=3, max_delay_s=0.3))
    asking.network.gate.set()
    began = time.monotonic()
    for number in (1, 2):
        asking.ask(number)
    assert [rows(one) for one in asking.asked] == [[1.0], [2.0]]
    assert time.monotonic() - began >= 0.29
    patient = Asking(Batch(max_views=3, max_delay_s=60))
    patient.network.gate.set()
    for number in (1, 2, 3):  # a full pass waits for nobody
        patient.ask(number)
    assert [rows(one) for one in patient.asked] == [[1.0], [2.0], [3.0]]
    assert (asking.network.passes, patient.network.passes) == ([[1, 2]], [[1, 2, 3]])
    patient.ask(4)
    began = time.monotonic()
    patient.close()  # nor does one that is to end
    asking.close()
    assert time.monotonic() - began < 30
    with pytest.raises(ShuttingDown):
        rows(patient.asked[3])


def test_closing_leaves_nobody_waiting(asking: Asking) -> None:
    held = asking.hold()
    asked = [asking.ask(number) for number in (1, 2)]
    closing = threading.Thread(target=asking.engine.close)
    closing.start()
    wait_until(lambda: asking.engine._is_closed)
    asking.network.gate.set()
    closing.join(60)
    assert rows(held) == [0.0]
    for one in asked:
        with pytest.raises(ShuttingDown):
            rows(one)
    with pytest.raises(ShuttingDown):
        asking.engine.infer(np.zeros((1, 2, 2, 3), np.uint8), unhurried())
    assert asking.network.passes == [[0]]


class Line(deque):
    """A line that notes whether another thread could have changed it when one was taken."""

    def __init__(self, lock: threading.Condition) -> None:
        super().__init__()
        self._lock = lock
        self.was_open: list[bool] = []

    def popleft(self) -> object:
        with ThreadPoolExecutor(1) as another:
            self.was_open.append(another.submit(self._try).result())
        return super().popleft()

    def _try(self) -> bool:
        got = self._lock.acquire(blocking=False)
        if got:
            self._lock.release()
        return got


def test_nobody_gives_up_in_the_middle_of_closing(asking: Asking) -> None:
    engine = asking.engine
    engine._line = line = Line(engine._changed)
    asking.hold()
    asked = asking.ask(1)
    closing = threading.Thread(target=engine.close)
    closing.start()
    wait_until(lambda: engine._is_closed)
    asking.network.gate.set()
    closing.join(60)
    with pytest.raises(ShuttingDown):
        rows(asked)
    assert line.was_open == [False, False]  # taken for its pass, and at the end


def test_a_refusal_does_not_keep_the_images(asking: Asking) -> None:
    """Without the garbage collector, which may not come for long: it counts objects, not bytes."""
    asking.network.gate.set()
    images = np.full((1, 2, 2, 3), BROKEN, np.uint8)
    gone = weakref.ref(images)
    gc.disable()
    try:
        with suppress(BadModelOutput):
            asking.engine.infer(images, unhurried())
            pytest.fail("it was not refused")
        del images
        rows(asking.ask(1))  # the thread has let go of the pass before
        wait_until(lambda: gone() is None, 10)
    finally:
        gc.enable()


def test_64_threads_get_their_own_answers_of_a_real_network(tmp_path: Path) -> None:
    network = LocalNetwork(open_repository(deploy_narrow(tmp_path)))
    sizes: list[int] = []
    engine = BatchingEngine(network, Batch(), lambda views, seconds: sizes.append(views))
    images = np.ascontiguousarray(crops(64, seed=7)[:, 16:240, 16:240])
    known = network.run(images).features
    together = threading.Barrier(64)

    def ask(number: int) -> float:
        together.wait()
        found = [engine.infer(images[number : number + 1], unhurried()) for _ in range(10)]
        return max(np.abs(one.features[0] - known[number]).max() for one in found)

    with ThreadPoolExecutor(64) as pool:
        differences = list(pool.map(ask, range(64)))
    engine.close()
    apart = min(
        np.abs(known[one] - known[other]).max() for one in range(64) for other in range(one)
    )
    assert max(differences) < apart / 10
    assert sum(sizes) == 640
    assert 1 < max(sizes) <= 32
