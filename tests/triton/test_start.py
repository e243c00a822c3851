"""``deploy/local_triton/start.py`` where there is no Triton to be had, or no model for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest
from deploy.local_triton.running import START, running_triton


def test_without_a_way_to_the_wheel_it_says_what_is_needed(tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=False)
    ended = subprocess.run(
        [tmp_path / "bin" / "python", START, "--fetch-only"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "cannot be installed" in ended.stderr
    assert not (tmp_path / "triton").exists()


def test_a_model_for_a_gpu_stops_the_start_and_says_why(
    narrow_repository: Path, tmp_path: Path
) -> None:
    root = tmp_path / "model_repository"
    shutil.copytree(narrow_repository, root)
    path = root / "s1_conv12_tower1" / "config.pbtxt"
    path.write_text(re.sub(r"kind: KIND_CPU", "kind: KIND_GPU\n  gpus: 1", path.read_text()))
    with (
        pytest.raises(RuntimeError, match=r"s1_conv12_tower1.*GPU"),
        running_triton(root, tmp_path / "log"),
    ):
        pass
