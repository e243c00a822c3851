"""The lock beside a repository, and the folder that the next root is built in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from alexnet_export import repository
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.reload import Reload, reload
from alexnet_export.repository import locked
from alexnet_repository.errors import NothingDeployed

GROUP = 4321


@pytest.mark.parametrize("exists", [False, True])
def test_a_mistyped_path_makes_nothing(tmp_path: Path, exists: bool) -> None:
    root = tmp_path / "no" / "where"
    if exists:
        root.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(NothingDeployed, match="alexnet-export deploy"),
        locked(root, may_be_new=False),
    ):
        raise AssertionError
    with pytest.raises(NothingDeployed):
        reload(Reload("127.0.0.1:1", root), tell=print)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_root_that_was_removed_can_be_rolled_back(tmp_path: Path) -> None:
    (tmp_path / "root.kept" / "1").mkdir(parents=True)
    with locked(tmp_path / "root", may_be_new=False):
        assert (tmp_path / "root.lock").exists()


def test_made_parents_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(repository, "sync", synced.append)
    with locked(tmp_path / "a" / "b" / "root"):
        assert set(synced) == {tmp_path, tmp_path / "a"}


def test_the_new_root_has_the_mode_and_group_of_the_former(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    deploy(narrow_checkpoint, Deployment(root))
    root.chmod(0o2750)
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(root, -1, GROUP)
        root.chmod(0o2750)
    deploy(narrow_checkpoint, Deployment(root, layout="single"))
    found = root.stat()
    assert stat.S_IMODE(found.st_mode) == 0o2750
    assert not is_root or found.st_gid == GROUP
