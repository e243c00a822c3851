"""A server that refuses much: every picture gets its line, after three tries at most."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.client.scoring import Scoring, assert_right, write_named
from tests.faults.client.small_server import SmallServer
from tests.faults.size import sized
from tests.load.pictures import write_small
from tests.narrow_repository import deploy_narrow
from tests.running_server import running_server

PICTURES = sized(40, 1000)


def test_three_of_four_requests_refused(small: SmallServer, tmp_path: Path) -> None:
    paths = write_named(tmp_path / "photos", PICTURES)
    small.shed = 0.75
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl")
    first = scoring.run("--json")
    lines = scoring.lines()
    assert [line["path"] for line in lines] == [str(path) for path in paths]
    assert small.seen.total() <= 3 * PICTURES
    assert max(small.seen.values()) <= 3
    refused = {line["path"] for line in lines if "error" in line}
    assert all(line["error"]["retryable"] for line in lines if "error" in line)
    summary = json.loads(first.stdout)
    assert summary["labelled"] == PICTURES - len(refused)
    assert summary["retryable"] == len(refused) > 0
    assert first.returncode == 1

    # The next run scores those alone, and puts their lines in the place of the old ones.
    small.shed = 0.0
    small.seen.clear()
    assert scoring.run().returncode == 0
    assert small.seen.total() == len(refused)
    assert_right(scoring.lines(), paths)


def test_a_picture_that_the_server_fails_at_spoils_no_other(
    small: SmallServer, tmp_path: Path
) -> None:
    paths = write_named(tmp_path / "photos", 30)
    small.poison = paths[11].read_bytes()
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl")
    assert scoring.run().returncode == 1
    lines = scoring.lines()
    assert lines[11]["error"]["code"] == "internal_error"
    assert max(small.seen.values()) <= 3
    assert_right(lines[:11] + lines[12:], paths[:11] + paths[12:])
    # The fault is the server's, so the picture gets another chance.
    small.poison = None
    assert scoring.run().returncode == 0
    assert_right(scoring.lines(), paths)


@pytest.mark.skipif(not sized(False, True), reason="only with FAULTS=all")
def test_a_server_that_fails_at_everything_ends_it(small: SmallServer, tmp_path: Path) -> None:
    paths = write_named(tmp_path / "photos", 30)
    small.poison = paths[0].read_bytes()
    for path in paths:
        path.write_bytes(small.poison)
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl")
    done = scoring.run()
    assert done.returncode == 1
    assert "internal_error" in done.stderr
    assert scoring.written() < len(paths)


@pytest.mark.skipif(not sized(False, True), reason="only with FAULTS=all")
def test_a_server_that_takes_one_at_a_time(tmp_path: Path) -> None:
    """Its gate is as small as can be: the window finds that, and nothing fails."""
    count = sized(60, 1000)
    (tmp_path / "photos").mkdir()
    paths = sorted(write_small(tmp_path / "photos", count))
    repository = deploy_narrow(tmp_path)
    index = tmp_path / "index.sqlite"
    with running_server(repository, index, "--max-requests", "1") as server:
        scoring = Scoring(server.url, tmp_path / "photos", tmp_path / "out.jsonl")
        done = scoring.run("--json")
    assert done.returncode == 0, done.stdout
    assert [line["path"] for line in scoring.lines()] == [str(path) for path in paths]
    assert json.loads(done.stdout)["requests"] <= 3 * count
