"""Bombs are refused before they are decoded; legal pictures of the largest size take turns."""

from __future__ import annotations

import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.faults.pictures import png_bytes
from tests.faults.pictures.bombs import BOMBS
from tests.faults.pictures.decoding import decoded
from tests.faults.pictures.sources import SOURCES, encoded, photo
from tests.running_server import RunningServer

MOST_KB = 20_000
AT_ONCE = 64
MOST_RSS_BYTES = 2_000_000_000


def test_bombs_are_refused_before_they_are_decoded() -> None:
    bombs = {name: make() for name, make in BOMBS.items()}
    plain = {"a photo": encoded(photo((640, 480)), "JPEG")}
    assert max(map(len, bombs.values())) < 1_300_000
    found = decoded(plain | bombs)
    for name in bombs:
        assert found[name].outcome == "PictureTooLarge", name
        assert found[name].grown_kb < MOST_KB, (name, found[name])
    longest = max(found[name].cpu_s for name in bombs)
    # Each takes less than a tenth of a millisecond, the photo some milliseconds.
    assert longest < max(0.05, 10 * found["a photo"].cpu_s)


def test_a_long_thin_picture_costs_little() -> None:
    """Resized whole it would need 1.1 GB."""
    found = decoded({"thin": png_bytes.flat(4, 16_384, 1)})["thin"]
    assert found.outcome == "pixels"
    assert found.grown_kb < MOST_KB


def test_the_largest_pictures_at_once_stay_within_2_gb(server: RunningServer) -> None:
    data = png_bytes.flat(6_000, 4_000, 8, png_bytes.RGB)

    def ask(_: int) -> tuple[int, str]:
        answer = httpx.post(f"{server.url}/classify", content=data, timeout=120)
        return answer.status_code, answer.json().get("code", "pixels")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(ask, range(AT_ONCE)))
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak_bytes = 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    sys.stdout.write(f"{AT_ONCE} at once: {dict(answers)}, peak {peak_bytes / 1e6:,.0f} MB\n")
    allowed = {(200, "pixels"), (503, "overloaded"), (503, "deadline_exceeded")}
    assert set(answers) <= allowed, answers
    assert answers[200, "pixels"] >= 2
    assert peak_bytes < MOST_RSS_BYTES
    small = SOURCES["JPEG"]()
    assert httpx.post(f"{server.url}/classify", content=small, timeout=60).status_code == 200
