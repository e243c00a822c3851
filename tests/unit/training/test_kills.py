"""``kill -9`` while photos are decoded and epochs run: the same command ends at the same bits."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_export.checkpoint import load_checkpoint
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
FLAGS = ("--dialect=narrow", "--batch-size=3", "--epochs=4", "--precision=fp32", "--no-report")


def start(photos, out):
    command = [sys.executable, "-m", "tests.unit.training.narrow_training", "fit", photos]
    return subprocess.Popen(
        [*command, "--out", out, "--device=cpu", *FLAGS],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def kill_after(training, said):
    """Kill it in the middle of what follows a line."""
    seen = []
    for line in training.stderr:
        seen.append(line)
        if line.startswith(said):
            training.send_signal(signal.SIGKILL)
            break
    assert training.wait(60) == -signal.SIGKILL, "".join(seen)
    training.stderr.close()


def to_the_end(photos, out):
    with start(photos, out) as training:
        told = training.stderr.read()
    assert training.returncode == 0, told
    return told


def files(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


@pytest.mark.timeout(180)
def test_a_run_that_was_killed_twice_equals_an_unbroken_one(narrow, photos, tmp_path):
    out = tmp_path / "run"
    with start(photos, out) as training:
        wait_until(lambda: list(out.glob("cache/*/*.part*")) or training.poll() is not None)
        training.send_signal(signal.SIGKILL)
    with start(photos, out) as training:
        kill_after(training, "epoch 2/4")
    load_checkpoint(out)
    assert "going on after epoch" in to_the_end(photos, out)
    to_the_end(photos, tmp_path / "unbroken")
    assert files(out) == files(tmp_path / "unbroken")
