"""Two processes of torchrun, over gloo, on this machine's processor."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from alexnet_export.checkpoint import load_checkpoint
from alexnet_training.fit import Order, fit
from alexnet_training.presets import PRESETS
from alexnet_training.processes import ALONE, Processes

_ROOT = Path(__file__).parents[3]
_TRAIN = "tests.unit.training.narrow_training"


def test_a_share_is_every_second_and_all_shares_are_the_batch():
    shares = [Processes(rank, 3).share(7).tolist() for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4], [2, 5]]
    assert ALONE.share(4).tolist() == [0, 1, 2, 3]


def train(processes, photos, out, *flags):
    """``alexnet-train fit`` of a narrow network, as torchrun starts it."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [
            *launcher,
            f"--nproc-per-node={processes}",
            "-m",
            _TRAIN,
            "fit",
            photos,
            "--out",
            out,
            *flags,
        ],
        cwd=_ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_two_processes_learn_what_one_does_with_the_whole_batch(narrow, photos, tmp_path):
    recipe = replace(
        PRESETS["paper"],
        dialect=narrow.name,
        epochs=2,
        batch_size=5,  # 16 photos: shares of 3 and 2, and a last batch of one photo
        dropout=0.0,
        initialization="he",
        scale=1 / 58,
        precision="fp32",
    )
    flags = [
        "--preset=paper",
        "--epochs=2",
        "--batch-size=5",
        "--dropout=0",
        "--scale",
        str(1 / 58),
    ]
    flags += [
        "--initialization=he",
        "--precision=fp32",
        f"--dialect={narrow.name}",
        "--no-report",
    ]
    done = train(2, photos, tmp_path / "two", *flags)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 2/2") == 1
    found = load_checkpoint(tmp_path / "two")[0]
    assert json.loads(done.stdout)["n"] == 8
    metrics = fit(Order(photos, tmp_path / "one", recipe, (torch.device("cpu"),), is_drawn=False))
    alone = load_checkpoint(tmp_path / "one")[0]
    assert [row["top1"] for row in metrics["history"]] == [
        row["top1"]
        for row in json.loads((tmp_path / "two" / "metrics.json").read_bytes())["history"]
    ]
    for name, tensor in alone.tensors.items():
        np.testing.assert_allclose(
            found.tensors[name], tensor, atol=1e-5 * np.abs(tensor).max(), err_msg=name
        )
