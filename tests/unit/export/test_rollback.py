from __future__ import annotations

import json
from pathlib import Path

import pytest

from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import DeployError
from alexnet_export.kept import kept_versions
from alexnet_export.rollback import rollback
from alexnet_repository.errors import NothingDeployed, RepositoryChanged
from alexnet_repository.repository import open_repository
from tests.unit.export.conftest import RunFolder

PART = "s3_fc6_tower0"


@pytest.fixture
def root(run_folder: RunFolder, tmp_path: Path) -> Path:
    """Version 3 of three, the other two kept; the first in one graph."""
    root = tmp_path / "repository"
    for name, layout in (("a", "single"), ("b", "towers"), ("c", "towers")):
        deploy(run_folder(name), Deployment(root, layout=layout))
    return root


def digests(root: Path) -> dict[int, str]:
    return {version: open_repository(path).digest for version, path in kept_versions(root).items()}


def versions(root: Path, model: str) -> list[str]:
    return sorted(path.name for path in (root / model).iterdir() if path.is_dir())


def test_back_and_forth(root: Path) -> None:
    known = digests(root) | {3: open_repository(root).digest}
    (root / "README.md").write_text("mine")
    for to, now, left in ((None, 2, 3), (None, 1, 2), (3, 3, 1), (1, 1, 3), (2, 2, 1)):
        manifest, former = rollback(root, to)
        assert (manifest["model"]["version"], former) == (str(now), left)
        found = open_repository(root)
        assert (found.version, found.digest) == (str(now), known[now])
        assert digests(root) == {key: value for key, value in known.items() if key != now}
        assert (root / "README.md").read_text() == "mine"


def test_what_is_left_stays_loadable_in_one_generation(root: Path) -> None:
    rollback(root)
    assert versions(root, PART) == ["2", "3"]
    assert versions(root, "alexnet") == ["2"]
    rollback(root, 1)
    assert versions(root, "s1_single") == ["1"]
    rollback(root, 3)
    assert versions(root, PART) == ["3"]
    rollback(root, 2)
    assert versions(root, PART) == ["2", "3"]


def test_what_is_not_kept(root: Path) -> None:
    with pytest.raises(DeployError, match=r"version 9 is not kept; kept beside .*: 1, 2$"):
        rollback(root, 9)
    with pytest.raises(DeployError, match=r"version 3 is what is deployed; kept .*: 1, 2$"):
        rollback(root, 3)
    rollback(root, 1)
    with pytest.raises(DeployError, match=r"no former version .*: 2, 3$"):
        rollback(root)
    with pytest.raises(NothingDeployed, match="no model is deployed"):
        rollback(root.parent / "nothing")
    assert not (root.parent / "nothing.lock").exists()


def test_a_damaged_kept_root_is_not_switched_in(root: Path) -> None:
    config = kept_versions(root)[2] / "conv1" / "config.pbtxt"
    config.write_text(config.read_text() + " ")
    with pytest.raises(RepositoryChanged, match=r"kept/2/conv1/config\.pbtxt was changed"):
        rollback(root)
    assert open_repository(root).version == "3"
    rollback(root, 1)
    assert open_repository(root).version == "1"


def test_away_from_a_damaged_root(root: Path) -> None:
    """What a rollback is for: the present manifest cannot even be read."""
    (root / "alexnet" / "manifest.json").write_text("{")
    rollback(root)
    assert open_repository(root).version == "2"
    assert versions(root, PART) == ["2"]
    assert sorted(kept_versions(root)) == [1, 3]


def test_command_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--repository", str(root)]
    assert main(["rollback", *at]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "rolled back from version 3 to 2" in printed.err
    assert "towers on cpu" in printed.err
    assert printed.err.endswith("kept: 1, 3\n")
    assert main(["rollback", *at, "--to", "3"]) == 0
    assert json.loads((root / "alexnet" / "manifest.json").read_text())["model"]["version"] == "3"
    capsys.readouterr()
    assert main(["rollback", *at, "--to", "3"]) == 1
    assert capsys.readouterr().err.startswith("alexnet-export: version 3 is what is deployed")


def test_keep_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["deploy", "somewhere", "--keep", "-1"])
    assert "'-1' is not a number from 0 up" in capsys.readouterr().err
