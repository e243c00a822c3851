"""While every place is taken and the backend hangs, the operator is answered all the same."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.running_triton import RunningFake
from tests.faults.observing.watched import Watched, jpeg, watched
from tests.faults.size import sized
from tests.waiting import WAIT_S, wait_until

PLACES = 4
LATENCY_S = 3.0
LOOKS = sized(20, 200)
QUICK_S = 0.1
# Of a single look, on a machine that does much else; far from what the backend takes.
NEVER_S = LATENCY_S / 2


@pytest.fixture(scope="module")
def triton(repository: Path) -> Iterator[RunningFake]:
    fake = RunningFake(repository)
    fake.start()
    yield fake
    fake.kill()


@pytest.fixture(scope="module")
def beside(
    repository: Path, triton: RunningFake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    flags = (
        *("--engine", f"triton://127.0.0.1:{triton.port}"),
        *("--max-requests", str(PLACES), "--request-timeout-s", "20"),
    )
    with watched(repository, tmp_path_factory.mktemp("beside"), *flags) as made:
        wait_until(lambda: made.main.get("/readyz").status_code == 200)
        yield made


class Flood:
    """Requests that never stop; ``statuses`` counts the answers."""

    def __init__(self, url: str, threads: int) -> None:
        self.statuses: dict[int, int] = {}
        self._lock = threading.Lock()
        self._url = url
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Flood:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        picture = jpeg(3)
        with httpx.Client(base_url=self._url, timeout=WAIT_S, verify=False) as client:
            while not self._is_over.is_set():
                status = client.post("/classify", content=picture).status_code
                with self._lock:
                    self.statuses[status] = self.statuses.get(status, 0) + 1
                self._is_over.wait(0.05)


def looked(client: httpx.Client, path: str) -> float:
    began = time.monotonic()
    assert client.get(path).status_code == 200
    return time.monotonic() - began


@pytest.mark.timeout(300)
def test_the_operator_is_answered_while_every_place_is_taken(
    beside: Watched, triton: RunningFake
) -> None:
    triton.switch(latency_s=LATENCY_S)
    refused = beside.value("alexnet_shed_requests_total", code="overloaded")
    taken: dict[str, list[float]] = {}
    with Flood(beside.server.url, 2 * PLACES):
        wait_until(lambda: beside.value("alexnet_gate_requests", gate="work") == PLACES)
        wait_until(lambda: beside.value("alexnet_shed_requests_total", code="overloaded") > refused)
        for _ in range(LOOKS):
            for path in ("/livez", "/readyz", "/metrics"):
                taken.setdefault(f"operator {path}", []).append(looked(beside.operator, path))
            for path in ("/livez", "/readyz"):
                taken.setdefault(f"main {path}", []).append(looked(beside.main, path))
        triton.switch(latency_s=0)
    for what, seconds in taken.items():
        assert statistics.median(seconds) <= QUICK_S, (what, sorted(seconds)[-5:])
        assert max(seconds) <= NEVER_S, (what, sorted(seconds)[-5:])


@pytest.mark.timeout(300)
def test_what_was_shed_is_counted_and_logged_alike(beside: Watched, triton: RunningFake) -> None:
    triton.switch(latency_s=0.3)
    before, logged = beside.series(), len(beside.entries())
    with Flood(beside.server.url, 3 * PLACES) as flood:
        wait_until(lambda: flood.statuses.get(503, 0) > 20 and flood.statuses.get(200, 0) > 3)
    refused, answered = flood.statuses[503], flood.statuses[200]
    assert flood.statuses.keys() == {200, 503}

    def counted(name: str, **labels: str) -> float:
        return beside.value(name, **labels) - before.get((name, tuple(sorted(labels.items()))), 0)

    assert counted("alexnet_shed_requests_total", code="overloaded") == refused
    for status, count in (("503", refused), ("200", answered)):
        labels = {"route": "/classify", "method": "POST", "status": status}
        assert counted("alexnet_http_requests_total", **labels) == count
    assert counted("alexnet_answered_pictures_total") == answered
    wait_until(lambda: len(beside.entries()) >= logged + refused + answered)
    lines = [entry for entry in beside.entries()[logged:] if entry["message"] == "request"]
    assert sum(entry["code"] == "overloaded" for entry in lines) == refused
    assert sum(entry["status"] == 200 for entry in lines) == answered
    assert beside.value("alexnet_gate_requests", gate="work") == 0


def test_a_slow_requests_line_says_what_took_the_time(beside: Watched, triton: RunningFake) -> None:
    triton.switch(latency_s=1.2)
    beside.main.post("/classify", content=jpeg(4), headers={"X-Request-Id": "slow"})
    entry = beside.entry("slow")
    assert entry["ms"]["infer"] >= 1200
    assert entry["slow"].endswith("ms of it: the network")


def test_a_lost_backend_is_seen_and_so_is_its_return(beside: Watched, triton: RunningFake) -> None:
    triton.switch(latency_s=0)
    assert beside.value("alexnet_engine_ready") == 1
    triton.kill()
    wait_until(lambda: beside.value("alexnet_engine_ready") == 0)
    assert beside.operator.get("/readyz").status_code == 503
    assert beside.operator.get("/livez").status_code == 200
    assert beside.main.post("/classify", content=jpeg(5)).status_code == 503
    assert beside.value("alexnet_failed_requests_total", code="backend_unavailable") == 1
    # It is looked for again and again, and the outage remains one.
    wait_until(lambda: "Connection refused" in beside.log())
    assert beside.value("alexnet_backend_outages_total") == 1
    triton.start()
    wait_until(lambda: beside.value("alexnet_engine_ready") == 1)
    assert beside.operator.get("/readyz").status_code == 200
    triton.kill()
    wait_until(lambda: beside.value("alexnet_engine_ready") == 0)
    assert beside.value("alexnet_backend_outages_total") == 2
