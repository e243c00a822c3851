"""Where a step runs and what crosses: told on the processor, which plays both GPUs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.repository import open_repository
from alexnet_repository.steps import Step
from alexnet_server.engine import placed, value
from alexnet_server.engine.local import LocalNetwork
from alexnet_server.engine.placed import GpuStep, HostStep, provider_of
from alexnet_server.engine.value import Traffic, Value
from alexnet_server.errors import EngineError
from alexnet_server.host_graph import HostGraph, read_graph
from tests.photos import crops

COUNT = 3
IMAGES = COUNT * 224 * 224 * 3
# What one tower of the narrow network makes of COUNT pictures, float32.
CONV2, CONV5, FC = (COUNT * 4 * units for units in (4 * 13 * 13, 4 * 6 * 6, 16))
FEATURES, PROBABILITIES = COUNT * 4 * 32, COUNT * 4 * 6


@pytest.fixture
def pretended_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any ``cuda:N`` is the processor; all else is as it is with GPUs."""
    monkeypatch.setattr(placed, "provider_of", lambda _: ("CPUExecutionProvider", {}))
    for module in (placed, value):
        monkeypatch.setattr(module, "ort_device", lambda _: ("cpu", 0))


def crossed(checkpoint: Path, root: Path, *devices: str) -> dict[tuple[str, str, str], int]:
    deploy(checkpoint, Deployment(root, devices=devices))
    engine = LocalNetwork(open_repository(root))
    images = np.ascontiguousarray(crops(COUNT)[:, 16:240, 16:240])
    before = engine.traffic.bytes()
    engine.run(images)
    return {key: count - before[key] for key, count in engine.traffic.bytes().items()}


@pytest.mark.usefixtures("pretended_gpus")
def test_between_two_devices_only_the_exchanges_cross(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    one, other = "cuda:0", "cuda:1"
    assert crossed(narrow_checkpoint, tmp_path / "repository", one, other) == {
        ("images", "cpu", one): IMAGES,
        ("images", "cpu", other): IMAGES,
        ("conv2_tower0", one, other): CONV2,
        ("conv2_tower1", other, one): CONV2,
        ("conv5_tower0", one, other): CONV5,
        ("conv5_tower1", other, one): CONV5,
        ("fc6_tower0", one, other): FC,
        ("fc6_tower1", other, one): FC,
        ("fc7_tower1", other, one): FC,  # fc8 is on the first device
        ("features", one, "cpu"): FEATURES,
        ("probabilities", one, "cpu"): PROBABILITIES,
    }


@pytest.mark.usefixtures("pretended_gpus")
def test_towers_on_one_device_take_the_pictures_once_and_exchange_nothing(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    assert crossed(narrow_checkpoint, tmp_path / "repository", "cuda:0") == {
        ("images", "cpu", "cuda:0"): IMAGES,
        ("features", "cuda:0", "cpu"): FEATURES,
        ("probabilities", "cuda:0", "cpu"): PROBABILITIES,
    }


@dataclass(frozen=True)
class Meeting(GpuStep):
    """A step that begins only when all steps of its wave do."""

    barrier: threading.Barrier

    def run(self, values: Mapping[str, Value], traffic: Traffic) -> dict[str, Value]:
        self.barrier.wait(timeout=20)
        return super().run(values, traffic)


@pytest.mark.usefixtures("pretended_gpus")
@pytest.mark.parametrize("devices", [("cuda:0",), ("cuda:0", "cuda:1")])
def test_the_towers_of_a_stage_run_at_the_same_time(
    narrow_checkpoint: Path, tmp_path: Path, devices: tuple[str, ...]
) -> None:
    deploy(narrow_checkpoint, Deployment(tmp_path / "repository", devices=devices))
    repository = open_repository(tmp_path / "repository")
    engine = LocalNetwork(repository)
    assert [len(wave) for wave in engine._waves] == [2, 2, 2, 2, 1]
    for number, wave in enumerate(engine._waves):
        barrier = threading.Barrier(len(wave))
        engine._waves[number] = [Meeting(each.step, each.session, barrier) for each in wave]
    golden = repository.golden()
    found = engine.run(golden.images).features
    np.testing.assert_allclose(found, golden.features, atol=1e-5 * golden.features.max())


def identity(path: Path, kind: int) -> Step:
    port = onnx.helper.make_tensor_value_info("in", kind, ["n"])
    answer = onnx.helper.make_tensor_value_info("out", kind, ["n"])
    node = onnx.helper.make_node("Identity", ["in"], ["out"])
    graph = onnx.helper.make_graph([node], "graph", [port], [answer])
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return Step("graph", 1, "cpu", {"in": "given"}, {"out": "made"})


@pytest.mark.parametrize("name", ["float16", "float32", "int8", "uint8"])
def test_a_value_keeps_the_type_that_the_graph_gives_it(tmp_path: Path, name: str) -> None:
    given = np.arange(5).astype(name)
    step = identity(tmp_path / "model.onnx", onnx.helper.np_dtype_to_tensor_dtype(given.dtype))
    ready = HostStep(step, HostGraph(read_graph(tmp_path / "model.onnx")))
    traffic = Traffic()
    made = ready.run({"given": Value("given", "cpu", given, traffic)}, traffic)
    assert made["made"].array().dtype == given.dtype
    assert made["made"].array().tolist() == given.tolist()


def test_fp32_on_a_gpu_is_set_and_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [placed.CUDA])
    name, options = provider_of("cuda:3")
    assert (name, options["device_id"], options["use_tf32"]) == (placed.CUDA, "3", "0")


def test_a_gpu_that_fell_back_to_the_processor_is_refused(
    narrow_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deploy(narrow_checkpoint, Deployment(tmp_path / "repository", devices=("cuda:0",)))
    load = onnxruntime.InferenceSession

    def without_cuda(graph: Path, options: Any, **_: object) -> Any:
        # As onnxruntime-gpu does where libcublas is missing: a line in its log and no error.
        return load(graph, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [placed.CUDA])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: sys.stdout.write("Failed"))
    monkeypatch.setattr(onnxruntime, "InferenceSession", without_cuda)
    capsys.readouterr()
    with pytest.raises(EngineError, match=r"s1_conv12_tower0 is placed on cuda:0.*cuDNN"):
        LocalNetwork(open_repository(tmp_path / "repository"))
    assert capsys.readouterr().out == ""
