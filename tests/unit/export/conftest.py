from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from tests.made_once import made_once
from tests.photos import crops

RunFolder = Callable[..., Path]


@pytest.fixture(scope="session")
def two_gpus(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's network with its 1000 classes, a tower a GPU."""

    def make(folder: Path) -> None:
        small, _ = load_checkpoint(checkpoint)
        weight = np.random.default_rng(8).standard_normal((1000, 4096), dtype=np.float32) / 64
        whole = replace(
            small,
            classes=tuple(f"class {number}" for number in range(1000)),
            tensors=small.tensors | {"fc8.weight": weight, "fc8.bias": weight[:, 0].copy()},
        )
        save_checkpoint(whole, folder)
        shutil.copy(checkpoint / "pictures.npz", folder)
        wanted = Deployment(folder / "model_repository", devices=("cuda:0", "cuda:1"))
        deploy(folder, wanted)

    return made_once(tmp_path_factory, "whole_two_gpus", make) / "model_repository"


@pytest.fixture
def run_folder(narrow_checkpoint: Path, tmp_path: Path) -> RunFolder:
    """Makes run folders of narrow networks: other weights for another name, or other classes."""

    def make(name: str, classes: tuple[str, ...] = ()) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        loaded, _ = load_checkpoint(narrow_checkpoint)
        loaded.tensors["fc8.bias"][0] += len(list(tmp_path.iterdir()))
        save_checkpoint(replace(loaded, classes=classes or loaded.classes), folder)
        np.savez(folder / "pictures.npz", images=crops(2), labels=np.arange(2))
        return folder

    return make
