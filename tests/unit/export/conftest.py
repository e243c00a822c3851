from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from tests.photos import crops

RunFolder = Callable[..., Path]


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
