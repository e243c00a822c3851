"""The user stops it, the disk is full, or two of them want the same output."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.client.scoring import Scoring, assert_right, assert_rows, write_named
from tests.faults.client.small_server import SmallServer
from tests.faults.size import sized
from tests.waiting import WAIT_S, wait_until

PICTURES = 100
LAST_ANSWERS_S = 5  # docs/scoring.md


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of its own, 1 MiB."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this user cannot mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_interrupted_from_the_keyboard(small: SmallServer, tmp_path: Path) -> None:
    paths = write_named(tmp_path / "photos", PICTURES)
    small.delay_s = 0.05
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl")
    process = scoring.start()
    wait_until(lambda: scoring.written() > 0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to go on" in err
    assert "Traceback" not in err
    written = scoring.written()
    assert 0 < written < PICTURES
    assert_right(scoring.lines(), paths[:written])
    assert scoring.run().returncode == 0
    assert_right(scoring.lines(), paths)
    # What was under way was waited for: no picture is scored twice.
    assert small.answered.total() == len(small.answered) == PICTURES


def test_interrupted_again_it_waits_no_longer(small: SmallServer, tmp_path: Path) -> None:
    write_named(tmp_path / "photos", PICTURES)
    small.delay_s = WAIT_S
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl")
    process = scoring.start()
    wait_until(lambda: bool(small.seen))
    start_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert f"waiting up to {LAST_ANSWERS_S} s" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert time.monotonic() - start_s < LAST_ANSWERS_S
    small.release()
    assert process.returncode == 130
    assert "Traceback" not in err


def test_two_at_once(small: SmallServer, tmp_path: Path) -> None:
    write_named(tmp_path / "photos", PICTURES)
    small.delay_s = 0.05
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl")
    first = scoring.start()
    wait_until(lambda: scoring.written() > 0)
    small.delay_s = WAIT_S  # so that the first is still at it, however slow the second starts
    second = scoring.run()
    assert second.returncode == 1
    assert "output_in_use" in second.stderr
    first.kill()
    first.communicate()
    small.release()
    # The lock went with the process that held it.
    assert scoring.run().returncode == 0
    assert set(small.answered.values()) <= {1, 2}


@pytest.mark.skipif(not sized(False, True), reason="only with FAULTS=all")
def test_a_limit_on_the_file_is_met_in_the_middle_of_a_line(
    small: SmallServer, tmp_path: Path
) -> None:
    paths = write_named(tmp_path / "photos", PICTURES)
    small.delay_s = 0.05
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / "out.jsonl")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_999, resource.RLIM_INFINITY))

    done = scoring.run(preexec_fn=limited)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "run the same command again to go on" in done.stderr
    assert_right(scoring.lines(), paths[: scoring.written()])  # nothing half
    assert scoring.run().returncode == 0
    assert_right(scoring.lines(), paths)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_disk_too_full_for_the_table(small: SmallServer, tmp_path: Path, suffix: str) -> None:
    """The lines fit beside it, the table no more: nothing is lost, and nothing half is there."""
    write_named(tmp_path / "photos", PICTURES)
    scoring = Scoring(small.url, tmp_path / "photos", tmp_path / f"out.{suffix}")
    part = scoring.out.with_name(f"out.{suffix}.part")
    part.symlink_to("/dev/full")  # where it is written before it gets its name
    done = scoring.run()
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not part.is_symlink()
    assert not scoring.out.exists()
    assert scoring.run().returncode == 0
    assert scoring.out.exists()
    assert small.answered.total() == PICTURES  # of the first run


def test_a_disk_that_is_really_full(small: SmallServer, mounted: Path, tmp_path: Path) -> None:
    paths = write_named(tmp_path / "photos", PICTURES)
    features = mounted / "features.npy"
    flags = ("--features", str(features))
    scoring = Scoring(small.url, tmp_path / "photos", mounted / "out.jsonl", flags)
    done = scoring.run()  # 100 rows are 1.6 MiB
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not features.exists()
    assert not small.seen  # it was known before the work
    subprocess.run(["mount", "-o", "remount,size=8m", str(mounted)], check=True)
    assert scoring.run().returncode == 0
    assert_right(scoring.lines(), paths)
    assert_rows(features, paths)
