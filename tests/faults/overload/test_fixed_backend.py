"""Four times what the backend can do is offered: as much as it can is answered, and in time.

The backend is a process that takes a fixed time for a picture, one after the other, so the numbers
are the server's own.  Its rate and the gate are a quarter of those of benchmarks/overload.py, and
so the times in line the same, because tests run beside each other and on busy machines.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.running_triton import RunningFake
from tests.faults.size import sized
from tests.load.offered import Offering
from tests.load.pictures import write_small
from tests.narrow_repository import deploy_narrow
from tests.running_server import running_server

CAPACITY = 50  # pictures a second
GATE = 4
HALF_SECONDS = sized(2, 10)
SECONDS = sized(5, 30)
AFTER_SECONDS = sized(2, 10)
# In full as it must be on a quiet machine; the sample tells a server with a gate from one without,
# whose line grows until nothing is answered in time, on a busy one too.
LEAST_ACCEPTED = sized(0.6, 0.9)
MOST_SLOWER = sized(15, 5)
REFUSED_WITHIN_MS = sized(500, 100)
BACK_WITHIN_S = sized(1, 5)
MOST_MB = 100


@pytest.fixture(scope="module")
def offering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offering]:
    folder = tmp_path_factory.mktemp("fixed")
    fake = RunningFake(deploy_narrow(folder))
    fake.start()
    flags = ("--engine", f"triton://127.0.0.1:{fake.port}", "--max-requests", str(GATE))
    try:
        with running_server(folder / "repository", folder / "index.sqlite", *flags) as server:
            fake.switch(pictures_per_s=CAPACITY)
            yield Offering(server, write_small(folder, 8))
    finally:
        fake.kill()


def test_four_times_the_capacity(offering: Offering) -> None:
    half = offering.at(CAPACITY / 2, HALF_SECONDS)
    assert half.times["200"].n >= LEAST_ACCEPTED * CAPACITY / 2 * HALF_SECONDS
    over = offering.at(4 * CAPACITY, SECONDS)
    after = offering.at(CAPACITY / 2, AFTER_SECONDS)
    assert set(over.times) == {"200", "503 overloaded"}
    assert over.accepted_per_s >= LEAST_ACCEPTED * CAPACITY
    assert over.times["200"].p99_ms <= MOST_SLOWER * half.times["200"].p99_ms
    assert over.times["503 overloaded"].p99_ms <= REFUSED_WITHIN_MS
    assert over.watched_statuses == [200]
    assert max(seen.p99_ms for seen in over.watched.values()) <= REFUSED_WITHIN_MS
    assert over.rss_mb[1] <= half.rss_mb[1] + MOST_MB
    assert set(after.times) <= {"200", "503 overloaded"}
    assert after.last_refusal_s <= BACK_WITHIN_S
    assert after.descriptors[2] <= half.descriptors[2] + GATE
