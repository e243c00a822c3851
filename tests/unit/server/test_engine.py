"""The embedded engine on a real repository, and what keeps a server from starting."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.errors import RepositoryError
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalEngine
from alexnet_server.errors import BadModelOutput, EngineError
from tests.photos import crops


@pytest.fixture
def narrow_repository(narrow_checkpoint: Path, tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root))
    return root


def images(count: int) -> np.ndarray:
    return np.ascontiguousarray(crops(count, seed=9)[:, 16:240, 16:240])


def test_towers_and_single_answer_alike(towers_repository: Path, single_repository: Path) -> None:
    towers = LocalEngine(open_repository(towers_repository))
    single = LocalEngine(open_repository(single_repository))
    given = images(9)
    one, other = towers.infer(given), single.infer(given)
    assert one.features.shape == (9, 4096)
    assert np.abs(one.features - other.features).max() <= 1e-5 * other.features.max()
    assert np.array_equal(one.probabilities.argmax(1), other.probabilities.argmax(1))
    assert list(towers.describe()["steps"].values()) == ["cpu"] * 9
    assert towers.ready()


def test_many_threads_get_their_own_answers(narrow_repository: Path) -> None:
    engine = LocalEngine(open_repository(narrow_repository))
    given = images(16)
    expected = [engine.infer(given[i : i + 1]).features for i in range(16)]
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(10):
            if not np.array_equal(
                engine.infer(given[number : number + 1]).features, expected[number]
            ):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def relist(root: Path, name: str) -> None:
    """Let the manifest agree with a changed file, as someone with write access could."""
    path = root / "alexnet" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = hashlib.sha256((root / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


def test_swapped_towers_do_not_start(narrow_repository: Path) -> None:
    one = "s1_conv12_tower0/1/model.onnx"
    other = "s1_conv12_tower1/1/model.onnx"
    kept = (narrow_repository / one).read_bytes()
    shutil.copy(narrow_repository / other, narrow_repository / one)
    (narrow_repository / other).write_bytes(kept)
    with pytest.raises(RepositoryError, match=r"s1_conv12_tower0/1/model.onnx was changed"):
        open_repository(narrow_repository)
    for name in (one, other):
        relist(narrow_repository, name)
        config = narrow_repository / name.split("/")[0] / "config.pbtxt"
        text = config.read_text()
        swapped = text.replace("conv2_tower0", "X").replace("conv2_tower1", "conv2_tower0")
        config.write_text(swapped.replace("X", "conv2_tower1"))
        relist(narrow_repository, config.relative_to(narrow_repository).as_posix())
    ensemble = narrow_repository / "alexnet" / "config.pbtxt"
    text = ensemble.read_text()
    for name, wrong in (("conv2_tower0", "conv2_tower1"), ("conv2_tower1", "conv2_tower0")):
        text = text.replace(
            f'key: "{name}"\n      value: "{name}"', f'key: "{wrong}!"\n      value: "{name}"', 1
        )
    ensemble.write_text(text.replace('!"', '"'))
    relist(narrow_repository, "alexnet/config.pbtxt")
    with pytest.raises(RepositoryError, match="known answers"):
        LocalEngine(open_repository(narrow_repository))


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is there"
)
def test_gpu_placement_without_a_gpu_says_what_to_do(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root, devices=("cuda:0", "cuda:1")))
    with pytest.raises(EngineError, match="--devices cpu"):
        LocalEngine(open_repository(root))


def test_nan_is_no_answer(narrow_repository: Path) -> None:
    engine = LocalEngine(open_repository(narrow_repository))

    class Broken:
        def run(self, names: list[str], _: object) -> list[np.ndarray]:
            return [np.full((1, 6 if name == "probabilities" else 32), np.nan) for name in names]

    object.__setattr__(engine._steps[-1], "session", Broken())
    with pytest.raises(BadModelOutput):
        engine.infer(images(1))
