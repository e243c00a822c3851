"""The embedded engine on a real repository, and what keeps a server from starting."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.errors import RepositoryError
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from alexnet_server.engine.value import Value
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
    towers = LocalNetwork(open_repository(towers_repository))
    single = LocalNetwork(open_repository(single_repository))
    given = images(9)
    one, other = towers.run(given), single.run(given)
    assert one.features.shape == (9, 4096)
    assert np.abs(one.features - other.features).max() <= 1e-5 * other.features.max()
    assert np.array_equal(one.probabilities.argmax(1), other.probabilities.argmax(1))
    assert list(towers.describe()["steps"].values()) == ["cpu"] * 9


def test_many_threads_get_their_own_answers(narrow_repository: Path) -> None:
    engine = LocalNetwork(open_repository(narrow_repository))
    given = images(16)
    expected = [engine.run(given[i : i + 1]).features for i in range(16)]
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(10):
            if not np.array_equal(
                engine.run(given[number : number + 1]).features, expected[number]
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


def test_swapped_towers_under_each_others_names_do_not_start(narrow_repository: Path) -> None:
    paths = [narrow_repository / f"s1_conv12_tower{tower}/1/model.onnx" for tower in (0, 1)]
    models = [onnx.load(path) for path in paths]
    for tower, model in enumerate(reversed(models)):
        model.graph.name = f"s1_conv12_tower{tower}"
        for node in model.graph.node:
            node.output[:] = [name.replace(f"tower{1 - tower}", "x") for name in node.output]
            node.input[:] = [name.replace(f"tower{1 - tower}", "x") for name in node.input]
            node.output[:] = [name.replace("x", f"tower{tower}") for name in node.output]
            node.input[:] = [name.replace("x", f"tower{tower}") for name in node.input]
        model.graph.output[0].name = f"conv2_tower{tower}"
        onnx.save(model, paths[tower])
        relist(narrow_repository, f"s1_conv12_tower{tower}/1/model.onnx")
    with pytest.raises(RepositoryError, match="known answers"):
        LocalNetwork(open_repository(narrow_repository))


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is there"
)
def test_gpu_placement_without_a_gpu_says_what_to_do(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root, devices=("cuda:0", "cuda:1")))
    with pytest.raises(EngineError, match="--devices cpu"):
        LocalNetwork(open_repository(root))


def test_a_model_of_nan_does_not_start(narrow_repository: Path) -> None:
    path = narrow_repository / "s5_fc8" / "1" / "model.onnx"
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = np.full_like(onnx.numpy_helper.to_array(tensor), np.nan)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, path)
    relist(narrow_repository, "s5_fc8/1/model.onnx")
    with pytest.raises(RepositoryError, match=r"cannot be run.*NaN"):
        LocalNetwork(open_repository(narrow_repository))


def test_nan_is_no_answer(narrow_repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalNetwork(open_repository(narrow_repository))
    monkeypatch.setattr(Value, "array", lambda _: np.array([[np.nan]], np.float32))
    with pytest.raises(BadModelOutput):
        engine.run(images(1)).require_finite()


def test_on_the_processor_all_steps_are_one_graph_and_nothing_crosses(
    narrow_repository: Path,
) -> None:
    engine = LocalNetwork(open_repository(narrow_repository))
    engine.run(images(2))
    assert [len(wave) for wave in engine._waves] == [1]
    assert engine.traffic.bytes() == {}


def test_the_mean_is_taken_from_a_picture_once(narrow_repository: Path) -> None:
    engine = LocalNetwork(open_repository(narrow_repository))
    compiled = engine._waves[0][0].graph._compiled
    run = [node.get_friendly_name() for node in compiled.get_runtime_model().get_ops()]
    assert sum(name.startswith("centred") for name in run) == 1
    assert sum(name.startswith("conv1_sums") for name in run) == 2  # a tower each
