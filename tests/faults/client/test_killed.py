"""The client is killed at any moment, and every picture stands in the output exactly once."""

from __future__ import annotations

import csv
import random
import signal
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.faults.client.scoring import Scoring, assert_right, assert_rows, write_named
from tests.faults.client.small_server import SmallServer
from tests.faults.size import sized
from tests.load.pictures import write_small
from tests.narrow_repository import deploy_narrow
from tests.running_server import running_server
from tests.waiting import wait_until

KILLS = 3
PICTURES = sized(120, 3000)


def kill_three_times(scoring: Scoring, pictures: int, seed: int) -> None:
    """With SIGKILL, each once some more lines are there, not all."""
    chance = random.Random(seed)
    for kill in range(KILLS):
        least = scoring.written() + chance.randrange(1, pictures // (KILLS + 2))
        process = scoring.start()
        wait_until(lambda: scoring.written() >= least or process.poll() is not None)  # noqa: B023
        assert process.poll() is None, (kill, process.communicate())
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert scoring.written() < pictures


def test_lines_and_features_agree(small: SmallServer, tmp_path: Path) -> None:
    paths = write_named(tmp_path / "photos", PICTURES)
    small.delay_s = 0.05
    features = tmp_path / "features.npy"
    flags = ("--features", str(features))
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl", flags)
    kill_three_times(scoring, PICTURES, seed=1)
    answered = small.answered.copy()
    done = scoring.run()
    assert done.returncode == 0, done.stderr
    assert_right(scoring.lines(), paths)
    assert_rows(features, paths)
    assert (small.answered - answered).total() < PICTURES  # only what was missing
    answered = small.answered.total()
    assert scoring.run().returncode == 0
    assert small.answered.total() == answered


@pytest.mark.skipif(not sized(False, True), reason="only with FAULTS=all")
def test_csv(small: SmallServer, tmp_path: Path) -> None:
    paths = write_named(tmp_path / "photos", PICTURES)
    small.delay_s = 0.05
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.csv")
    kill_three_times(scoring, PICTURES, seed=2)
    assert not scoring.out.exists()
    assert scoring.run().returncode == 0
    with scoring.out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [str(path) for path in paths]


def test_parquet_from_a_real_server(tmp_path: Path) -> None:
    count = sized(240, 1000)
    (tmp_path / "photos").mkdir()
    paths = sorted(write_small(tmp_path / "photos", count))
    with running_server(deploy_narrow(tmp_path), tmp_path / "index.sqlite") as server:
        scoring = Scoring(server.url, tmp_path / "photos", tmp_path / "out.parquet")
        kill_three_times(scoring, count, seed=3)
        done = scoring.run()
    assert done.returncode == 0, done.stderr
    rows = pyarrow.parquet.read_table(scoring.out).to_pylist()
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    assert all(len(row["predictions"]) == 5 and row["error"] is None for row in rows)
