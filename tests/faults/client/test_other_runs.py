"""The next run on an output: with other pictures, other options, or files of strange names."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.faults.client.scoring import Scoring, assert_right, assert_rows, write_named
from tests.faults.client.small_server import SmallServer
from tests.faults.size import sized
from tests.waiting import WAIT_S, wait_until

PICTURES = 12
MANY = 700  # more than are read ahead


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_named(tmp_path / "photos", PICTURES)


@pytest.fixture
def scored(small: SmallServer, tmp_path: Path, paths: list[Path]) -> Scoring:
    """A list of pictures, all scored."""
    listed = tmp_path / "list"
    listed.write_text("\n".join(map(str, paths)))
    scoring = Scoring(small.url, listed, tmp_path / "out.jsonl")
    assert scoring.run().returncode == 0
    return scoring


def test_what_differs_from_the_first_run_is_refused(
    scored: Scoring, tmp_path: Path, paths: list[Path]
) -> None:
    before = scored.out.read_bytes()

    def refused(scoring: Scoring, *flags: str) -> str:
        done = scoring.run(*flags)
        assert done.returncode == 1
        assert "not_the_same_run" in done.stderr
        assert scored.out.read_bytes() == before
        return done.stderr

    assert "--top-k" in refused(scored, "--top-k", "3")
    assert "--features" in refused(scored, "--features", str(tmp_path / "f.npy"))
    assert "the source" in refused(replace(scored, source=paths[0].parent))
    (tmp_path / "list").write_text("\n".join(map(str, reversed(paths))))
    assert "its path 1 is" in refused(scored)


@pytest.mark.skipif(not sized(False, True), reason="only with FAULTS=all")
def test_a_file_that_is_no_output_of_ours_is_not_touched(
    small: SmallServer, tmp_path: Path, paths: list[Path]
) -> None:
    for name in ("out.jsonl", "features.npy"):
        mine = tmp_path / name
        mine.write_text("mine")
        flags = ("--features", str(tmp_path / "features.npy"))
        done = Scoring(small.url, paths[0].parent, tmp_path / "out.jsonl", flags).run()
        assert done.returncode == 1
        assert "is there already" in done.stderr
        assert mine.read_text() == "mine"
        mine.unlink()


def test_a_folder_that_changes(small: SmallServer, tmp_path: Path, paths: list[Path]) -> None:
    features = tmp_path / "features.npy"
    flags = ("--features", str(features))
    scoring = Scoring(small.url, paths[0].parent, tmp_path / "out.jsonl", flags)
    assert scoring.run().returncode == 0
    # One that is done goes, two come: what is done stays, what is new follows.
    more = [paths[0].with_name(name) for name in ("00000a.jpg", "zz.jpg")]
    for path in more:
        path.write_bytes(path.name.encode())
    gone = paths[3].read_bytes()
    paths[3].unlink()
    small.answered.clear()
    assert scoring.run().returncode == 0
    assert small.answered.total() == 2
    paths[3].write_bytes(gone)  # only to compare
    assert_right(scoring.lines(), [*paths, *more])
    assert_rows(features, [*paths, *more])


def test_a_folder_that_changes_while_it_is_scored(small: SmallServer, tmp_path: Path) -> None:
    paths = write_named(tmp_path / "photos", MANY)
    small.delay_s = 0.05
    scoring = Scoring(small.url, paths[0].parent, tmp_path / "out.jsonl")
    process = scoring.start()
    wait_until(lambda: scoring.written() > 0)
    paths[-1].unlink()
    paths[-2].unlink()
    paths[-2].mkdir()
    paths[-3].write_bytes(b"another picture")
    more = paths[0].with_name("00000a.jpg")
    more.write_bytes(b"more")
    process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    # What was there at the start is what is scored; a picture that has gone has its error.
    *right, folder, gone = scoring.lines()
    assert_right(right, paths[:-2])
    assert [line["path"] for line in (folder, gone)] == [str(path) for path in paths[-2:]]
    assert [line["error"]["code"] for line in (folder, gone)] == ["unreadable_file"] * 2
    # What came is for the next run.
    assert scoring.run().returncode == 1
    assert_right([scoring.lines()[-1]], [more])
    assert len(scoring.lines()) == MANY + 1


def test_a_file_that_went_away_has_its_error(
    small: SmallServer, tmp_path: Path, paths: list[Path]
) -> None:
    listed = tmp_path / "list"
    listed.write_text("\n".join([str(paths[0]), str(tmp_path / "gone.jpg"), str(paths[1])]))
    features = tmp_path / "features.npy"
    flags = ("--features", str(features))
    scoring = Scoring(small.url, listed, tmp_path / "out.jsonl", flags)
    for _ in range(2):  # the exit code is about the whole output
        done = scoring.run("--json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["errors"] == {"unreadable_file": 1}
    first, error, last = scoring.lines()
    assert error["error"]["code"] == "unreadable_file"
    assert "retryable" not in error["error"]
    assert_right([first, last], paths[:2])
    rows = np.load(features)
    assert np.isnan(rows[1]).all()
    assert not np.isnan(rows[[0, 2]]).any()


@pytest.mark.skipif(not sized(False, True), reason="only with FAULTS=all")
def test_names_that_are_hard_to_carry(small: SmallServer, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [b"line\nbreak.jpg", b"caf\xe9.jpg", b'"quotes", and more.jpg', "grün.jpg".encode()]
    paths = sorted(folder / os.fsdecode(name) for name in names)
    for path in paths:
        path.write_bytes(os.fsencode(path.name))
    (folder / "circle").symlink_to(tmp_path)
    scoring = Scoring(small.url, folder, tmp_path / "out.jsonl")
    assert scoring.run().returncode == 0
    assert_right(scoring.lines(), paths)
