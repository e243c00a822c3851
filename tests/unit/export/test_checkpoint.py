from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from alexnet_export import checkpoint as checkpointing
from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.errors import CheckpointError


def test_what_is_saved_is_loaded(narrow_checkpoint: Path, tmp_path: Path) -> None:
    loaded, digest = load_checkpoint(narrow_checkpoint)
    assert save_checkpoint(loaded, tmp_path) == digest
    assert (tmp_path / "weights.safetensors").read_bytes() == (
        narrow_checkpoint / "weights.safetensors"
    ).read_bytes()
    again, _ = load_checkpoint(tmp_path / "weights.safetensors")
    assert again.classes == loaded.classes
    assert all(np.array_equal(again.tensors[name], loaded.tensors[name]) for name in loaded.tensors)


def test_mean_is_the_centre_of_the_mean_image(narrow_checkpoint: Path) -> None:
    loaded, _ = load_checkpoint(narrow_checkpoint)
    loaded.tensors["mean"][16, 16] = 7
    assert loaded.mean.shape == (224, 224, 3)
    assert (loaded.mean[0, 0] == 7).all()


def test_a_changed_byte_is_noticed(narrow_checkpoint: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(narrow_checkpoint, tmp_path / "run"))
    with (run / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x00" if file.read(1) != b"\x00" else b"\x01")
    with pytest.raises(CheckpointError, match="damaged or was replaced"):
        load_checkpoint(run)


def test_killed_between_weights_and_digest(
    narrow_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(narrow_checkpoint, tmp_path / "run"))
    loaded, former = load_checkpoint(run)
    loaded.tensors["fc8.bias"][0] += 1
    write_whole = checkpointing.write_whole

    def killed_at_the_digest(path: Path, content: bytes) -> None:
        if path.name == "sha256":
            raise KeyboardInterrupt
        write_whole(path, content)

    monkeypatch.setattr(checkpointing, "write_whole", killed_at_the_digest)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(loaded, run)
    assert load_checkpoint(run)[1] != former


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"\x80\x04pickle")
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        load_checkpoint(weights)
    safetensors.numpy.save_file({"x": np.zeros(1, np.float32)}, weights)
    with pytest.raises(CheckpointError, match="does not describe"):
        load_checkpoint(weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2; this reads 1"),
        ({"dialect": "alexnet2014"}, "alexnet2014"),
        ({"classes": ["one", "two"]}, "differ from the layer table"),
        ({"layers": {}}, "another layer table"),
    ],
)
def test_another_description_is_refused(
    narrow_checkpoint: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    loaded, _ = load_checkpoint(narrow_checkpoint)
    description = {
        "format": 1,
        "dialect": loaded.dialect.name,
        "layers": loaded.dialect.table(),
        "classes": list(loaded.classes),
        "scale": 1.0,
        "about": "",
        "recipe": {},
    }
    weights = tmp_path / "weights.safetensors"
    metadata = {"alexnet": json.dumps(description | change)}
    safetensors.numpy.save_file(loaded.tensors, weights, metadata=metadata)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(weights)


def test_nan_is_refused(narrow_checkpoint: Path, tmp_path: Path) -> None:
    loaded, _ = load_checkpoint(narrow_checkpoint)
    loaded.tensors["fc8.bias"][0] = np.nan
    with pytest.raises(CheckpointError, match=r"fc8\.bias must be finite"):
        save_checkpoint(loaded, tmp_path)
