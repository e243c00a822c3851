"""``alexnet-train parity``: the ways to run a checkpoint, side by side, in the manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from alexnet_export import parity_table
from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.parity import Answers
from alexnet_repository.repository import open_repository
from alexnet_training.cli import main


@pytest.fixture
def repository(narrow_checkpoint: Path, tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root))
    return root


def test_the_table_is_printed_and_kept(
    narrow_checkpoint: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["parity", str(narrow_checkpoint), "--repository", str(repository)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    table = open_repository(repository).manifest["parity_table"]
    assert table["pictures"] == 12
    assert table["reference"] == "PyTorch, grouped"
    ways = ("PyTorch, two towers", "single graph, in process", "towers, in process")
    assert tuple(table["ways"]) == ways
    for way in ways:
        row = table["ways"][way]
        assert 0 <= row["features_difference"] <= 1e-5
        assert row["top5_agreement"] == 1
        assert f"| {way} | {row['features_difference']:.1e} |" in printed


def test_a_way_that_differs_shows(repository: Path) -> None:
    random = np.random.default_rng(3)
    known = Answers(
        random.random((4, 8), dtype=np.float32), random.random((4, 6), dtype=np.float32)
    )
    off = Answers(known.features * np.float32(1.01), known.probabilities[:, ::-1])
    table = parity_table.parity_table("known", {"known": known, "off": off})
    assert list(table["ways"]) == ["off"]
    assert table["ways"]["off"]["features_difference"] == pytest.approx(0.01, rel=1e-3)
    assert table["ways"]["off"]["top5_agreement"] < 1


def test_another_model_is_not_measured(
    narrow_checkpoint: Path,
    repository: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    loaded, _ = load_checkpoint(narrow_checkpoint)
    loaded.tensors["fc8.bias"][0] += 1
    save_checkpoint(loaded, other)
    shutil.copy(narrow_checkpoint / "pictures.npz", other)
    before = (repository / "alexnet" / "manifest.json").read_bytes()
    assert main(["parity", str(other), "--repository", str(repository)]) == 1
    assert "deploy it first" in capsys.readouterr().err
    assert (repository / "alexnet" / "manifest.json").read_bytes() == before
    assert "parity_table" not in json.loads(before)


def test_no_triton_there(
    narrow_checkpoint: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--repository", str(repository), "--triton", "127.0.0.1:1"]
    assert main(["parity", str(narrow_checkpoint), *flags]) == 1
    assert "no Triton answers at 127.0.0.1:1" in capsys.readouterr().err
