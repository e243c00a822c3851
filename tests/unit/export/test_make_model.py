"""What `make serve MODEL=` would run; `make` itself is asked, and runs nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def planned(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--dry-run", "serve", f"REPOSITORY={repository}", "DOWNLOADS=d", "RUNS=r", *words],
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("model", "source"), [("imagenet", "caffe"), ("torchvision", "torchvision")]
)
def test_it_imports_deploys_and_serves(tmp_path: Path, model: str, source: str) -> None:
    done = planned(tmp_path, f"MODEL={model}")
    assert done.returncode == 0, done.stderr
    plan = done.stdout.replace("\\\n", "")
    steps = [
        f"alexnet-export import {source} --download",
        f'--downloads "d" --out "r/{model}" || [ $? = 3 ]',
        f'alexnet-export deploy "r/{model}" --repository "{tmp_path}"',
        "serving the starter model instead",
        f'alexnet-server serve --repository "{tmp_path}"',
    ]
    places = [plan.find(step) for step in steps]
    assert -1 not in places, plan
    assert places == sorted(places)


def test_what_is_deployed_goes_on_being_served(tmp_path: Path) -> None:
    (tmp_path / "alexnet").mkdir()
    (tmp_path / "alexnet" / "manifest.json").touch()
    plan = planned(tmp_path, "MODEL=imagenet").stdout
    assert "serving what is deployed instead" in plan
    assert "alexnet-train" not in plan


def test_there_are_two(tmp_path: Path) -> None:
    done = planned(tmp_path, "MODEL=resnet")
    assert done.returncode == 2
    assert "there are imagenet and torchvision" in done.stderr
    assert "alexnet-server" not in done.stdout
