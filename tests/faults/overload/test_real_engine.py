"""More pictures than the whole network can look at, sent from the same machine.

How much of its capacity it keeps is measured by benchmarks/overload.py: beside other work on two
cores, clocks say too little for a test.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.size import sized
from tests.load.offered import Offering
from tests.running_server import running_server

OFFERED = 300  # a second: four times what two cores do
SECONDS = sized(3, 20)
CALM = 4  # a second: far below it
CALM_SECONDS = sized(2, 10)
BACK_WITHIN_S = sized(1, 5)
MOST_MB = 100


@pytest.mark.skipif(not sized(False, True), reason="only with FAULTS=all")
def test_too_many_pictures_for_the_network(
    towers_repository: Path, photos: list[Path], tmp_path: Path
) -> None:
    with running_server(towers_repository, tmp_path / "index.sqlite") as server:
        offering = Offering(server, photos)
        warm = offering.by(callers=16, seconds=CALM_SECONDS)  # as many as the gate lets in
        assert set(warm.times) == {"200"}
        over = offering.at(OFFERED, SECONDS)
        after = offering.at(CALM, CALM_SECONDS)
    assert set(over.times) == {"200", "503 overloaded"}
    assert over.watched_statuses == [200]
    assert over.times["503 overloaded"].p50_ms < over.times["200"].p50_ms / 2
    assert over.rss_mb[1] <= warm.rss_mb[1] + MOST_MB
    assert set(after.times) <= {"200", "503 overloaded"}
    assert after.last_refusal_s <= BACK_WITHIN_S
