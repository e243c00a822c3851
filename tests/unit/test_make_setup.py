"""What `make serve` sets up first; `make` itself is asked, and runs nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SERVING = '--editable "./server[serve]" --editable "./export[prove]" --editable ./client'


def planned(repository: Path, *words: str) -> str:
    """Every command of a `make serve` in a fresh clone whose repository is ``repository``."""
    command = ["make", "--dry-run", "--always-make", "serve", f"REPOSITORY={repository}", *words]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("is_deployed", [True, False])
@pytest.mark.parametrize("words", [(), ("CHECKPOINT=run",), ("MODEL=imagenet",)])
def test_what_serves_is_set_up_without_what_trains(
    tmp_path: Path, words: tuple[str, ...], is_deployed: bool
) -> None:
    if is_deployed:
        (tmp_path / "alexnet").mkdir()
        (tmp_path / "alexnet" / "manifest.json").touch()
    plan = planned(tmp_path, *words)
    assert _SERVING in plan
    assert "./training" not in plan
    assert "tests/requirements.txt" not in plan


@pytest.mark.parametrize("words", [("DATA=photos",), ("MODEL=torchvision",)])
def test_what_trains_is_set_up_before_it_is_needed(tmp_path: Path, words: tuple[str, ...]) -> None:
    plan = planned(tmp_path, *words)
    steps = [_SERVING, "--editable ./training", "alexnet-server serve"]
    places = [plan.find(step) for step in steps]
    assert -1 not in places, plan
    assert places == sorted(places)
