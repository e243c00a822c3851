"""The known pictures: unreadable, given to every kind of repository, or not asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alexnet_export import cli
from alexnet_export.deploy import Deployment, deploy
from tests.unit.export.verify.conftest import Refusals
from tests.unit.repository.relisted import relist


def test_known_pictures_that_cannot_be_read(root: Path, refused: Refusals) -> None:
    name = "alexnet/golden.npz"
    for content in (b"", b"PK nothing"):
        (root / name).write_bytes(content)
        relist(root, name)
        assert all("golden.npz cannot be read" in said for said in refused())
    np.savez(root / name, images=np.zeros((1, 224, 224, 3), np.uint8))
    relist(root, name)
    assert all("golden.npz cannot be read" in said for said in refused())


@pytest.mark.parametrize(
    "options", [{"layout": "single"}, {"devices": ("cuda:0", "cuda:1"), "precision": "fp16"},
                {"precision": "int8"}],
)  # fmt: skip
def test_every_kind_of_repository_can_be_verified_on_a_cpu(
    options: dict, narrow_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root, max_top1_loss=100, **options))
    assert cli.main(["verify", "--repository", str(root)]) == 0
    assert "known answers   given to 8 pictures" in capsys.readouterr().out


WITHOUT_RUNTIME = """
import importlib.util, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "onnxruntime":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name == "onnxruntime" else found(name, package)
)
from alexnet_export.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_a_runtime_the_known_answers_are_not_asked(root: Path) -> None:
    def verify_in_process() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_RUNTIME, "verify", "--repository", str(root)],
            capture_output=True,
            text=True,
            check=False,
        )

    done = verify_in_process()
    assert done.returncode == 0, done.stderr
    assert "known answers   not asked: onnxruntime is not installed" in done.stdout
    (root / "s5_fc8" / "1" / "model.py").write_text("import os")
    done = verify_in_process()
    assert done.returncode == 1
    assert "model.py is not listed" in done.stderr
