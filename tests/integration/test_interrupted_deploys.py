"""Deploys and rollbacks killed, out of space, or two at once: the root is the old one or the new.

Every command runs in a process of its own, which stops itself at a chosen step.  Some of the
steps are tried; all of them with ``EVERY_STEP=1`` in the environment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.layers import DIALECTS
from alexnet_repository.errors import NothingDeployed, RepositoryError
from alexnet_repository.files import deployed
from alexnet_repository.repository import open_repository
from tests.interrupted import NOBODY, Commands, Ended
from tests.photos import crops
from tests.random_checkpoint import NARROW, write_random_checkpoint

SAMPLED = 6
AROUND_THE_COMMIT = 3


@dataclass(frozen=True)
class Place:
    """A folder with run folders ``a``, ``b``, ``c`` and ``d``, and maybe a repository."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "repository"

    def copy(self, to: Path) -> Place:
        shutil.copytree(self.folder, to, symlinks=True)
        return Place(to)

    def served(self) -> tuple[str, str] | None:
        """Version and digest of what a server would start on; None where nothing is deployed."""
        try:
            repository = open_repository(self.root)
        except NothingDeployed:
            return None
        return repository.version, repository.digest

    def kept(self) -> list[str]:
        """Versions of the kept roots, each of which opens."""
        folders = sorted(self.folder.glob("repository.kept/*"))
        assert [open_repository(folder).version for folder in folders] == [
            folder.name for folder in folders
        ]
        return [folder.name for folder in folders]

    def is_tidy(self) -> bool:
        """Whether nothing but root, kept roots and lock stands there."""
        found = {path.name for path in self.folder.glob("repository*")}
        return found <= {"repository", "repository.lock", "repository.kept"}


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    with Commands() as running:
        yield running


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Run folders of one dialect and one set of classes, other weights; little to prove."""
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        for number, name in enumerate("abcd"):
            (folder / name).mkdir()
            write_random_checkpoint(NARROW, folder / name)
            loaded, _ = load_checkpoint(folder / name)
            loaded.tensors["fc8.bias"][0] += number
            save_checkpoint(loaded, folder / name)
            np.savez(folder / name / "pictures.npz", images=crops(2), labels=np.arange(2))
        yield Place(folder)


def deploy(commands: Commands, place: Place, name: str, *flags: str, **how: object) -> Ended:
    flags = ("--repository", str(place.root), *flags)
    return commands.run("deploy", place.folder / name, *flags, **how)


def roll_back(commands: Commands, place: Place, *flags: str, **how: object) -> Ended:
    return commands.run("rollback", "--repository", place.root, *flags, **how)


SCENARIOS = {
    "first": ("", lambda *on, **how: deploy(*on, "a", **how)),
    "same generation": ("a", lambda *on, **how: deploy(*on, "b", **how)),
    "other layout": ("a", lambda *on, **how: deploy(*on, "b", "--layout", "single", **how)),
    "third, one pruned": ("abc", lambda *on, **how: deploy(*on, "d", "--keep", "1", **how)),
    "rollback": ("abc", roll_back),
    "rollback over two": ("abc", lambda *on, **how: roll_back(*on, "--to", "1", **how)),
}


def stops(ended: Ended) -> list[int]:
    """Steps to stop at: all, or some and those around the commit."""
    every = range(len(ended.steps))
    if os.environ.get("EVERY_STEP"):
        return list(every)
    spread = np.linspace(0, len(every) - 1, SAMPLED).round().astype(int).tolist()
    near = range(ended.commit - AROUND_THE_COMMIT, ended.commit + AROUND_THE_COMMIT + 1)
    return sorted({*spread, *(step for step in near if step in every)})


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_any_step_the_old_or_the_new_is_served(
    scenario: str, empty: Place, commands: Commands, tmp_path: Path
) -> None:
    before, command = SCENARIOS[scenario]
    start = empty.copy(tmp_path / "start")
    for name in before:
        assert deploy(commands, start, name).status == 0
    whole = start.copy(tmp_path / "whole")
    ended = command(commands, whole)
    assert ended.status == 0, ended.messages
    old, new = start.served(), whole.served()
    assert old != new
    served = []
    for step in stops(ended):
        place = start.copy(tmp_path / str(step))
        killed = command(commands, place, kill_at=step)
        assert killed.status == -signal.SIGKILL, killed.messages
        assert place.served() == (new if step > ended.commit else old), (step, killed.steps[-3:])
        served.append(place.served())
        # Whatever the kill left is gone after the next one, and nothing was lost or repeated.
        following = deploy(commands, place, "d", "--layout", "towers")
        assert following.status == 0, following.messages
        assert place.is_tidy(), step
        version = place.served()[0]
        assert version not in place.kept()
        if place.served() != new:
            assert int(version) > max(map(int, place.kept()), default=0)
            former = new if step > ended.commit else old
            assert former is None or former[0] in place.kept()
        shutil.rmtree(place.folder)
    assert set(served) == {old, new}


@pytest.mark.parametrize("scenario", ["first", "same generation", "rollback"])
def test_a_full_disk_changes_nothing(
    scenario: str, empty: Place, commands: Commands, tmp_path: Path
) -> None:
    before, command = SCENARIOS[scenario]
    start = empty.copy(tmp_path / "start")
    for name in before:
        assert deploy(commands, start, name).status == 0
    ended = command(commands, start.copy(tmp_path / "whole"))
    kept = start.kept()
    writes = [n for n, step in enumerate(ended.steps) if step in ("write", "os.mkdir", "os.link")]
    assert max(writes) < ended.commit  # what follows the exchange needs no space
    for step in writes if os.environ.get("EVERY_STEP") else writes[:: len(writes) // SAMPLED]:
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


def test_two_at_once(empty: Place, commands: Commands, tmp_path: Path) -> None:
    place, hold = empty.copy(tmp_path / "place"), tmp_path / "hold"
    flags = ("--repository", place.root)
    first = commands.start("deploy", place.folder / "a", *flags, hold=hold)
    wait_for(hold)
    for arguments in (("deploy", place.folder / "b"), ("rollback",)):
        refused = commands.run(*arguments, *flags)
        assert refused.status == 1
        assert "another deploy" in refused.messages
        assert place.served() is None
    hold.unlink()
    assert commands.wait(first).status == 0
    assert place.served() is not None
    assert deploy(commands, place, "b").status == 0


def wait_for(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def test_a_reader_never_sees_anything_but_a_whole_deploy(
    empty: Place, commands: Commands, tmp_path: Path
) -> None:
    place = empty.copy(tmp_path / "place")
    assert deploy(commands, place, "a").status == 0
    seen, versions = set(), 1
    for number in range(30):
        flags = ("--repository", place.root, "--layout", ("towers", "single")[number // 5 % 2])
        name = "bcad"[number % 4]
        running = commands.start("deploy", place.folder / name, *flags)
        while True:
            stamp = deployed(place.root)
            try:
                seen.add(open_repository(place.root).version)
            except RepositoryError as error:
                assert deployed(place.root) != stamp, error
            if str(versions + 1) in seen:
                break
        assert commands.wait(running).status == 0
        versions += 1
    assert seen == {str(number + 1) for number in range(31)}


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
    failed = commands.run("deploy", empty.folder / "a", "--repository", mounted)
    assert failed.status == 1
    assert "is a mount point" in failed.messages
    assert "deploy to a folder inside the mount" in failed.messages
    assert list(mounted.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_without_permission(empty: Place, commands: Commands) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        place = empty.copy(Path(folder, "place"))
        place.folder.chmod(0o755)
        for path in place.folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
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
