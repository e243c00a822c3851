"""What a deploy takes over from the one before, what it keeps, and how it numbers."""

from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from alexnet_export import carried
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import DeployError
from alexnet_export.kept import kept_versions, next_version
from alexnet_export.rollback import rollback
from alexnet_repository import graph_check
from alexnet_repository.errors import UnsafeGraph
from alexnet_repository.files import file_digest
from alexnet_repository.repository import open_repository
from tests.unit.export.conftest import RunFolder

CLASSES = ("one", "two", "three", "four", "five", "six")
PART = "s2_conv345_tower1"


def versions(root: Path, model: str) -> list[str]:
    return sorted(path.name for path in (root / model).iterdir() if path.is_dir())


def beside(root: Path) -> list[str]:
    return sorted(path.name for path in root.parent.glob(f"{root.name}*"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "repository"


def test_parts_of_the_version_before_stay_loadable(root: Path, run_folder: RunFolder) -> None:
    deploy(run_folder("a"), Deployment(root))
    first = (root / PART / "1" / "model.onnx").stat()
    manifest, _ = deploy(run_folder("b"), Deployment(root))
    for model in sorted(path.name for path in root.iterdir()):
        assert versions(root, model) == (["2"] if model == "alexnet" else ["1", "2"])
    assert f"{PART}/1/model.onnx" in manifest["files"]
    assert (root / PART / "1" / "model.onnx").stat().st_ino == first.st_ino  # costs nothing
    assert open_repository(root).version == "2"
    assert {step.version for step in open_repository(root).steps()} == {2}
    deploy(run_folder("c"), Deployment(root))
    assert versions(root, PART) == ["2", "3"]


def test_copies_where_links_are_refused(
    root: Path, run_folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(run_folder("a"), Deployment(root))
    first = (root / PART / "1" / "model.onnx").stat()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(carried.os, "link", refuse)
    deploy(run_folder("b"), Deployment(root))
    assert versions(root, PART) == ["1", "2"]
    assert (root / PART / "1" / "model.onnx").stat().st_ino != first.st_ino


@pytest.mark.parametrize("other", ["layout", "devices", "precision", "classes"])
def test_another_generation_carries_nothing(root: Path, run_folder: RunFolder, other: str) -> None:
    deploy(run_folder("a"), Deployment(root))
    wanted = {
        "layout": Deployment(root, layout="single"),
        "devices": Deployment(root, devices=("cuda:0", "cuda:1")),
        "precision": Deployment(root, devices=("cuda:0",), precision="fp16", max_top1_loss=100),
        "classes": Deployment(root),
    }[other]
    deploy(run_folder("b", CLASSES if other == "classes" else ()), wanted)
    for model in sorted(path.name for path in root.iterdir()):
        assert versions(root, model) == ["2"]


def test_parts_under_another_configuration_are_not_carried(
    root: Path, run_folder: RunFolder
) -> None:
    """As after an update of the exporter: one config.pbtxt serves every version beside it."""
    deploy(run_folder("a"), Deployment(root))
    config = root / "conv1" / "config.pbtxt"
    config.write_text(config.read_text() + "# by an older exporter\n")
    manifest = json.loads((root / "alexnet" / "manifest.json").read_text())
    manifest["files"]["conv1/config.pbtxt"] = file_digest(config)
    (root / "alexnet" / "manifest.json").write_text(json.dumps(manifest))
    open_repository(root)
    deploy(run_folder("b"), Deployment(root))
    assert versions(root, PART) == ["2"]


def test_a_damaged_root_is_replaced_and_nothing_of_it_carried(
    root: Path, run_folder: RunFolder
) -> None:
    a = run_folder("a")
    deploy(a, Deployment(root))
    (root / PART / "1" / "model.onnx").write_bytes(b"damaged")
    assert deploy(a, Deployment(root))[1]
    assert versions(root, PART) == ["2"]
    (root / "alexnet" / "manifest.json").write_text("{")
    assert deploy(a, Deployment(root))[1]
    assert open_repository(root).version == "3"


def test_former_roots_are_kept_whole_and_pruned(root: Path, run_folder: RunFolder) -> None:
    for number, name in enumerate("abcd"):
        deploy(run_folder(name), Deployment(root, layout=("towers", "single")[number % 2]))
    assert sorted(kept_versions(root)) == [2, 3]
    for version, folder in kept_versions(root).items():
        assert open_repository(folder).version == str(version)
    deploy(run_folder("e"), Deployment(root, keep=1))
    assert sorted(kept_versions(root)) == [4]
    last = run_folder("f")
    deploy(last, Deployment(root, keep=3))
    assert sorted(kept_versions(root)) == [4, 5]
    _, is_new = deploy(last, Deployment(root, keep=0))
    assert not is_new
    assert beside(root) == ["repository", "repository.lock"]


def test_version_numbers_never_repeat(root: Path, run_folder: RunFolder) -> None:
    for name in "abc":
        deploy(run_folder(name), Deployment(root))
    rollback(root)
    rollback(root)
    assert open_repository(root).version == "1"
    deploy(run_folder("d"), Deployment(root, keep=1))
    assert open_repository(root).version == "4"
    assert sorted(kept_versions(root)) == [1]  # what was served last
    shutil.rmtree(root)
    assert next_version(root) == 2
    deploy(run_folder("e"), Deployment(root, keep=0))
    assert open_repository(root).version == "2"


def test_a_number_that_was_rolled_back_from_is_not_given_again(
    root: Path, run_folder: RunFolder
) -> None:
    first = run_folder("a")
    for place in (first, run_folder("b"), run_folder("c")):
        deploy(place, Deployment(root))
    rollback(root, 1)
    _, is_new = deploy(first, Deployment(root, keep=0))
    assert not is_new
    assert sorted(kept_versions(root)) == [3]
    deploy(run_folder("d"), Deployment(root, keep=0))
    assert open_repository(root).version == "4"
    assert kept_versions(root) == {}


def test_nothing_of_someone_else_is_replaced(root: Path, run_folder: RunFolder) -> None:
    a = run_folder("a")
    (root / "photos").mkdir(parents=True)
    (root / "photos" / "cat.jpg").write_text("dear")
    with pytest.raises(DeployError, match=r"holds the folder photos, which no deploy put there"):
        deploy(a, Deployment(root))
    assert (root / "photos" / "cat.jpg").read_text() == "dear"
    (root / "photos").rename(root.parent / "photos")
    (root / "README.md").write_text("kept")
    deploy(a, Deployment(root))
    (root.parent / "photos").rename(root / "photos")
    with pytest.raises(DeployError, match="photos"):
        deploy(run_folder("b"), Deployment(root))
    assert (root / "README.md").read_text() == "kept"
    assert beside(root) == ["repository", "repository.lock"]
    file = root.parent / "file"
    file.touch()
    with pytest.raises(DeployError, match="is not a folder"):
        deploy(a, Deployment(file))


def test_leftovers_are_cleared_away(root: Path, run_folder: RunFolder) -> None:
    a = run_folder("a")
    deploy(a, Deployment(root))
    deploy(run_folder("b"), Deployment(root))
    for leftover in ("staging", "discarded"):
        (root.parent / f"repository.{leftover}" / "alexnet" / "7").mkdir(parents=True)
    deploy(run_folder("c"), Deployment(root))
    assert beside(root) == ["repository", "repository.kept", "repository.lock"]
    assert open_repository(root).version == "3"
    assert sorted(kept_versions(root)) == [1, 2]


def test_a_kept_root_half_moved_is_moved_whole(root: Path, run_folder: RunFolder) -> None:
    """A kill between the exchange and the move leaves the former root in staging."""
    deploy(run_folder("a"), Deployment(root))
    b = run_folder("b")
    deploy(b, Deployment(root))
    kept_versions(root)[1].rename(root.parent / "repository.staging")
    assert deploy(b, Deployment(root))[1] is False
    assert open_repository(kept_versions(root)[1]).version == "1"
    assert beside(root) == ["repository", "repository.kept", "repository.lock"]


def test_a_deploy_that_no_server_would_start_on_is_not_switched_in(
    root: Path, run_folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_check, "OPERATORS", graph_check.OPERATORS - {"MaxPool"})
    with pytest.raises(UnsafeGraph, match="MaxPool"):
        deploy(run_folder("a"), Deployment(root))
    assert beside(root) == ["repository.lock"]


def test_same_weights_in_another_precision_are_another_version(
    root: Path, run_folder: RunFolder
) -> None:
    a = run_folder("a")
    wanted = Deployment(root, devices=("cuda:0",), max_top1_loss=100)
    assert deploy(a, wanted)[1]
    assert deploy(a, replace(wanted, precision="fp16"))[1]
    assert not deploy(a, replace(wanted, precision="fp16"))[1]
    assert open_repository(root).manifest["precision"] == "fp16"
