"""Deploys to a place without space, or where nothing may be written: nothing changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.interrupted_deploys.place import (
    SCENARIOS,
    Place,
    Prepared,
    deploy,
    is_every_step,
    roll_back,
)
from tests.interrupted import NOBODY, Commands

SAMPLED = 4


@pytest.mark.parametrize("scenario", ["first", "same generation", "rollback"])
def test_a_full_disk_changes_nothing(
    scenario: str, prepared: Prepared, commands: Commands, tmp_path: Path
) -> None:
    _, command = SCENARIOS[scenario]
    before = prepared(scenario)
    start, ended = before.start, before.ended
    kept = start.kept()
    writes = [n for n, step in enumerate(ended.steps) if step in ("write", "os.mkdir", "os.link")]
    assert max(writes) < ended.commit  # what follows the exchange needs no space
    for step in writes if is_every_step() else writes[:: len(writes) // SAMPLED]:
        place = start.copy(tmp_path / str(step))
        failed = command(commands, place, no_space_from=step)
        assert failed.status == 1, step
        assert failed.messages.count("\n") == 1
        assert "No space left on device" in failed.messages
        if step > 0:  # which makes the lock
            assert f"{place.root} stays as it was" in failed.messages
        assert place.served() == start.served()
        assert place.kept() == kept
        assert place.is_tidy()
        shutil.rmtree(place.folder)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of its own, 32 MiB."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"this user cannot mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(empty: Place, commands: Commands, mounted: Path) -> None:
    place = empty.copy(mounted / "place")
    assert deploy(commands, place, "a").status == 0
    before = place.served()
    with (
        (mounted / "filler").open("wb", buffering=0) as filler,
        pytest.raises(OSError, match="No space"),
    ):
        while True:
            filler.write(bytes(4096))
    failed = deploy(commands, place, "b")
    assert failed.status == 1
    assert "No space left on device" in failed.messages
    assert place.served() == before
    assert place.is_tidy()
    (mounted / "filler").unlink()
    assert deploy(commands, place, "b").status == 0


def test_a_place_that_cannot_be_written(empty: Place, commands: Commands, mounted: Path) -> None:
    place = empty.copy(mounted / "place")
    assert deploy(commands, place, "a").status == 0
    assert roll_back(commands, place).status == 1
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    failed = deploy(commands, place, "b")
    assert failed.status == 1
    assert "Read-only file system" in failed.messages
    assert f"{place.folder} must be writable" in failed.messages
    assert commands.run("verify", "--repository", place.root).status == 0


def test_a_mount_point_is_refused_before_anything_is_proven(
    empty: Place, commands: Commands, mounted: Path
) -> None:
    failed = commands.run("deploy", empty.runs / "a", "--repository", mounted)
    assert failed.status == 1
    assert "is a mount point" in failed.messages
    assert "deploy to a folder inside the mount" in failed.messages
    assert list(mounted.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_without_permission(empty: Place, commands: Commands) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        runs = Path(shutil.copytree(empty.runs, Path(folder, "runs")))
        for path in (runs, *runs.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        place = Place(Path(folder, "place"), runs)
        place.folder.mkdir(mode=0o755)
        assert deploy(commands, place, "a").status == 0
        before = place.served()
        failed = deploy(commands, place, "b", user=NOBODY)
        assert failed.status == 1
        assert "Permission denied" in failed.messages
        assert f"{place.folder} must be writable" in failed.messages
        place.folder.chmod(0o777)
        (place.folder / "repository.lock").chmod(0o666)
        failed = deploy(commands, place, "b", user=NOBODY)
        assert failed.status == 1
        assert "cannot be read and written by this user" in failed.messages
        assert place.served() == before
        assert place.is_tidy()
