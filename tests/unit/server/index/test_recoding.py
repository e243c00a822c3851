"""Codes are made in the background: begun, carried on after a kill, made again once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from alexnet_server.errors import StorageFailed
from alexnet_server.index import recoding
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.recoding import Recoding
from tests.unit.server.index.coded import clustered, coded_index, wait_for_codes
from tests.unit.server.index.given import UNITS, picture
from tests.unit.server.index.test_coder import UNITS as GRAPH_UNITS
from tests.unit.server.index.test_coder import graph
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return clustered(2_000, UNITS)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoding, "STEP", 50)
    monkeypatch.setattr(recoding, "_SWEPT", 70)


def store(index: PictureIndex, features: np.ndarray, first: int = 0) -> None:
    index.upsert([picture(f"p{first + i:05d}", row) for i, row in enumerate(features)])


def require_right_codes(path: Path, kind: str, fitted_on: int, units: int = UNITS) -> None:
    """One coder, and of every picture the code that it makes; by SQLite and NumPy alone."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    ((coder, found, parameters, counted),) = connection.execute(
        "SELECT coder, kind, parameters, fitted_on FROM coders"
    )
    assert connection.execute("SELECT coder FROM generations").get == coder
    assert (found, counted) == (kind, fitted_on)
    stored = list(connection.execute("SELECT picture, features FROM features ORDER BY picture"))
    codes = list(connection.execute("SELECT coder, picture, code FROM codes ORDER BY picture"))
    connection.close()
    assert [(coder, key) for key, _ in stored] == [(one, key) for one, key, _ in codes]
    if kind == "mean":
        mean = np.frombuffer(parameters, "<f4")
        for (_, blob), (_, _, code) in zip(stored, codes, strict=True):
            assert np.packbits(np.frombuffer(blob, "<f4") > mean).tobytes() == code


@pytest.mark.usefixtures("small_steps")
def test_codes_are_made_while_pictures_come_and_go(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    with coded_index(path) as index:
        store(index, features[:299])
        assert index.describe()["coder"] is None
        store(index, features[299:900], first=299)  # the fit begins here
        for start in range(900, 2_000, 100):
            store(index, features[start : start + 100], first=start)
            index.delete([f"p{start - i:05d}" for i in range(0, 900, 90)])
        wait_for_codes(index)
        with index._database.reading() as connection:
            keys = connection.execute("SELECT group_concat(picture) FROM pictures").get
        assert index._search._stages.current is not None
        told = index._search._stages.current.blocks.keys()
        assert told.tolist() == sorted(map(int, keys.split(",")))
        fitted_on = index.describe()["coder"]["fitted_on"]
        assert fitted_on >= 300
    require_right_codes(path, "mean", fitted_on)


@pytest.mark.usefixtures("small_steps")
def test_the_mean_is_made_once_more_and_then_never(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    with coded_index(path, again_at=1_000) as index:
        store(index, features[:400])
        wait_for_codes(index, fitted_on=400)
        store(index, features[400:999], first=400)
        assert index._search._recoding._thread is None
        store(index, features[999:1_100], first=999)
        wait_for_codes(index, fitted_on=1_100)
        store(index, features[1_100:1_500], first=1_100)
        assert index._search._recoding._thread is None
    require_right_codes(path, "mean", 1_100)


def test_a_small_index_that_grew_elsewhere_gets_codes_when_it_is_opened(
    tmp_path: Path, features: np.ndarray
) -> None:
    path = tmp_path / "index.sqlite"
    with coded_index(path, exact_up_to=5_000) as index:
        store(index, features[:500])
    with coded_index(path) as index:
        index.search(features[0], 1)
        wait_for_codes(index, fitted_on=500)
    require_right_codes(path, "mean", 500)


@pytest.mark.usefixtures("small_steps")
def test_closing_stops_between_two_steps_and_opening_carries_on(
    tmp_path: Path, features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.sqlite"
    steps, append = [], Recoding._append

    def counted(self: Recoding, *arguments: Any) -> None:
        append(self, *arguments)
        steps.append(1)
        if len(steps) == 3:
            self._closing.set()

    monkeypatch.setattr(Recoding, "_append", counted)
    with coded_index(path) as index:
        store(index, features[:600])
        wait_until(lambda: len(steps) == 3)
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT count(*), max(picture) FROM codes").get == (150, 150)
    assert connection.execute("SELECT coder FROM generations").get is None
    connection.close()
    with coded_index(path) as index:
        assert index.search(features[5], 1)[0].id == "p00005"
        wait_for_codes(index, fitted_on=600)
        assert len(steps) == 12  # the 150 were not made again
    require_right_codes(path, "mean", 600)


_KILLED = """
import sys
from pathlib import Path
import numpy as np
from alexnet_server.index import recoding
from tests.unit.server.index.coded import clustered, coded_index
from tests.unit.server.index.given import UNITS, picture
recoding.STEP = 20
features = clustered(2_000, UNITS)
with coded_index(Path(sys.argv[1]), again_at=600) as index:
    for start in range(index.count(), 2_000, 100):
        index.upsert([picture(f"p{start + i:05d}", features[start + i]) for i in range(100)])
        print(start + 100, flush=True)
    sys.stdin.read()
"""


def test_killed_again_and_again_it_carries_on(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    for stored in (400, 900, 1_400):
        with subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
        ) as process:
            assert process.stdout is not None
            while int(process.stdout.readline()) < stored:
                pass
            process.send_signal(signal.SIGKILL)
    with coded_index(path, again_at=600) as index:
        assert index.count() >= 1_400
        wait_for_codes(index)
        coder = index.describe()["coder"]
        assert coder["fitted_on"] >= 600
        assert index.search(features[1_399], 1)[0].id == "p01399"
    require_right_codes(path, "mean", coder["fitted_on"])


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM codes WHERE picture = 77",
        "UPDATE codes SET code = x'0102' WHERE picture = 77",
        "INSERT INTO codes SELECT coder, 9999, code FROM codes WHERE picture = 77",
        "UPDATE coders SET parameters = x'00'",
    ],
)
def test_codes_that_are_lost_or_damaged_are_all_made_anew(
    tmp_path: Path, features: np.ndarray, change: str
) -> None:
    path = tmp_path / "index.sqlite"
    with coded_index(path) as index:
        store(index, features[:400])
        wait_for_codes(index)
    connection = apsw.Connection(str(path))
    connection.execute(change)
    connection.close()
    with coded_index(path) as index:
        assert index.search(features[76], 1)[0].id == "p00076"
        wait_for_codes(index)
    require_right_codes(path, "mean", 400)


def test_a_graph_takes_the_place_of_the_mean(tmp_path: Path) -> None:
    path, codes = tmp_path / "index.sqlite", tmp_path / "codes.onnx"
    codes.write_bytes(graph())
    features = clustered(400, GRAPH_UNITS)
    with coded_index(path, units=GRAPH_UNITS) as index:
        store(index, features)
        wait_for_codes(index)
    with coded_index(path, units=GRAPH_UNITS, codes=codes) as index:
        index.search(features[0], 1)
        wait_until(lambda: index.describe()["coder"]["kind"] == "onnx")
        wait_for_codes(index)
    require_right_codes(path, "onnx", 400)


def test_a_disk_that_fails_is_tried_again(
    tmp_path: Path, features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, complete = threading.Event(), Recoding._complete

    def fails_once(self: Recoding, *arguments: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise StorageFailed("nothing was stored: there is no room left")
        complete(self, *arguments)

    monkeypatch.setattr(Recoding, "_complete", fails_once)
    monkeypatch.setattr(recoding, "_RETRY_S", 0.01)
    path = tmp_path / "index.sqlite"
    with coded_index(path) as index:
        store(index, features[:400])
        assert failed.wait(60)
        wait_for_codes(index)
    require_right_codes(path, "mean", 400)


@pytest.mark.usefixtures("small_steps")
def test_the_mean_is_made_again_once_though_of_a_sample(
    tmp_path: Path, features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoding, "_SAMPLE", 400)
    path = tmp_path / "index.sqlite"
    with coded_index(path, again_at=500) as index:
        store(index, features[:350])
        wait_for_codes(index)
        store(index, features[350:900], first=350)
        wait_until(lambda: (index.describe()["coder"] or {}).get("fitted_on") == 400)
        wait_for_codes(index)
        assert not index._search._recoding._is_due()
    require_right_codes(path, "mean", 400)
