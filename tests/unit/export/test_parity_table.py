"""The table that is noted in the manifest of what is deployed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from alexnet_export import parity_table
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import DeployError, ParityError
from alexnet_export.parity import Answers
from alexnet_export.parity_table import ask_triton, record
from alexnet_export.repository import locked
from alexnet_repository.errors import NothingDeployed
from alexnet_repository.files import deployed, read_manifest
from alexnet_repository.repository import open_repository
from tests.fakes.running_triton import RunningFake

TABLE: dict[str, Any] = {"pictures": 1, "reference": "known", "ways": {}}


@pytest.fixture
def root(narrow_checkpoint: Path, tmp_path: Path) -> Path:
    deploy(narrow_checkpoint, Deployment(tmp_path / "repository"))
    return tmp_path / "repository"


def test_servers_take_it_for_the_same_deploy(root: Path) -> None:
    stamp = deployed(root)
    record(root, TABLE, read_manifest(root))
    assert open_repository(root).manifest["parity_table"] == TABLE
    assert deployed(root) == stamp


def test_a_link_stays_a_link_and_holds_the_deploys_lock(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    measured = read_manifest(root)
    with locked(root), pytest.raises(DeployError, match="under way"):
        record(link, TABLE, measured)
    record(link, TABLE, measured)
    assert link.is_symlink()
    assert read_manifest(root)["parity_table"] == TABLE
    assert not (tmp_path / "link.lock").exists()


@pytest.mark.parametrize("other", ["version", "layout", "precision"])
def test_another_deploy_meanwhile_is_refused(
    root: Path, narrow_checkpoint: Path, other: str
) -> None:
    measured = read_manifest(root)
    if other == "version":  # there and back again
        deploy(narrow_checkpoint, Deployment(root, layout="single"))
        deploy(narrow_checkpoint, Deployment(root))
    else:
        measured[other] = "another"
    before = read_manifest(root)
    with pytest.raises(ParityError, match="version 1 was measured, but meanwhile version"):
        record(root, TABLE, measured)
    assert read_manifest(root) == before


def test_a_kill_leaves_nothing_in_the_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends with the new manifest written, but not yet put in its place."""
    measured = read_manifest(root)
    monkeypatch.setattr(Path, "replace", lambda *_: os._exit(9))
    child = os.fork()
    if child == 0:
        record(root, TABLE, measured)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    assert "parity_table" not in open_repository(root).manifest
    assert sorted(path.name for path in root.parent.glob("repository.*")) == [
        "repository.lock",
        "repository.manifest",
    ]
    record(root, TABLE, measured)
    assert [path.name for path in root.parent.glob("repository.*")] == ["repository.lock"]


def test_a_mistyped_path_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NothingDeployed, match="no model is deployed"):
        record(tmp_path / "no" / "where", TABLE, {})
    assert list(tmp_path.iterdir()) == []


def test_triton_is_asked_in_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not by way of a proxy for web pages."""
    golden = open_repository(root).golden()
    monkeypatch.setattr(parity_table, "_BATCH", 3)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    fake = RunningFake(root)
    fake.start()
    try:
        found = ask_triton(f"127.0.0.1:{fake.port}", golden.images, "1")
    finally:
        fake.kill()
    assert isinstance(found, Answers)
    assert golden.difference(found.features, found.probabilities) == ""
