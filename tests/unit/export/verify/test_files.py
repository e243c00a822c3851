"""A file that was changed, added or mixed up by another deploy is named."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from alexnet_export import cli, verify
from alexnet_repository.errors import FilesDisagree
from alexnet_repository.repository import open_repository
from tests.running_server import clean_environment, command
from tests.unit.export.verify.conftest import Refusals
from tests.unit.export.verify.parts import FILES


def test_what_a_deploy_wrote_passes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(json.loads((root / "alexnet/manifest.json").read_text())["files"]) == set(FILES)
    assert cli.main(["verify", "--repository", str(root)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    digest = open_repository(root).digest[:12]
    assert f"version 1 ({digest}), narrow, towers on cpu, fp32" in printed.out
    assert re.search(r"^files +24 as the manifest lists them", printed.out, re.M)
    assert re.search(r"^graphs +10 hold known operators", printed.out, re.M)
    assert re.search(r"^configurations +11 agree .* 9 steps are complete$", printed.out, re.M)
    assert re.search(r"^known answers +given to 8 pictures, .* 1\.000000$", printed.out, re.M)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_named(name: str, root: Path, refused: Refusals) -> None:
    content = bytearray((root / name).read_bytes()) or bytearray(1)
    content[len(content) // 2] ^= 1
    (root / name).write_bytes(content)
    assert all(f"{name} was changed" in said for said in refused())


@pytest.mark.parametrize(
    "name", ["s5_fc8/1/model.py", "s5_fc8/model.py", "alexnet/x/y", "new/1/model.onnx"]
)
def test_an_unlisted_file_is_named(name: str, root: Path, refused: Refusals) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("import os")
    assert all(f"{name} is not listed" in said for said in refused())


def test_the_installed_commands_refuse(root: Path, tmp_path: Path) -> None:
    (root / "s5_fc8" / "1" / "model.py").write_text("import os")
    for arguments in (
        ("alexnet-export", "verify"),
        ("alexnet-server", "serve", "--port", "0", "--index", f"sqlite:///{tmp_path}/i.sqlite"),
    ):
        name, *flags = arguments
        done = subprocess.run(
            [command(name), *flags, "--repository", str(root)],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(),
            timeout=120,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"{name}: ")
        assert "s5_fc8/1/model.py is not listed" in done.stderr


def test_a_deploy_under_the_reader_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def disturbed(folder: Path) -> object:
        reads.append(folder)
        if len(reads) == 1:  # as if another deploy had been switched in half way through
            path = folder / "alexnet" / "manifest.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"made": "again"}))
            raise FilesDisagree("two deploys were mixed")
        return open_repository(folder)

    monkeypatch.setattr(verify, "open_repository", disturbed)
    assert verify.verify(root).files == len(FILES)
    assert len(reads) == 2
