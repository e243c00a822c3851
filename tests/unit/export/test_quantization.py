"""int8: the same numbers in both layouts, integer kernels, and what stays float."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from alexnet_export.checkpoint import Checkpoint, load_checkpoint
from alexnet_export.graph import Graph, single_graph, tower_graphs
from alexnet_export.parity import compare, run
from alexnet_export.quantization import Calibration, calibrate, quantized
from alexnet_repository.golden import cosines
from tests.photos import crops


def views(count: int, seed: int) -> np.ndarray:
    return np.ascontiguousarray(crops(count, seed)[:, 16:240, 16:240])


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> Checkpoint:
    return load_checkpoint(checkpoint)[0]


@pytest.fixture(scope="module")
def calibration(loaded: Checkpoint) -> Calibration:
    return calibrate(single_graph(loaded), loaded.dialect, views(12, seed=3))


@pytest.fixture(scope="module")
def single(loaded: Checkpoint, calibration: Calibration) -> Graph:
    return quantized(single_graph(loaded), loaded.dialect, calibration)


def weights(graph: Graph) -> dict[str, np.ndarray]:
    tensors = graph.model.graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}


def test_both_layouts_give_the_same_numbers(
    loaded: Checkpoint, calibration: Calibration, single: Graph
) -> None:
    towers = [quantized(graph, loaded.dialect, calibration) for graph in tower_graphs(loaded)]
    images = views(6, seed=4)
    by_towers, by_single = run(towers, images, "towers"), run([single], images, "single")
    parity = compare(by_towers, by_single, "int8")
    assert parity.features_difference <= 1e-3
    whole = run([single_graph(loaded)], images, "fp32")
    assert cosines(by_single.features, whole.features).min() > 0.99
    assert np.array_equal(by_single.probabilities.argmax(1), whole.probabilities.argmax(1))


def test_weights_are_integers_of_seven_bits_with_a_scale_a_channel(single: Graph) -> None:
    found = weights(single)
    for name, channels in (("conv2", 256), ("fc6", 4096), ("fc8", 6)):
        weight = found[f"{name}_weight_quantized"]
        assert weight.dtype == np.int8
        assert 60 <= np.abs(weight.astype(int)).max() <= 64
        assert found[f"{name}_weight_scale"].shape == (channels,)
    assert sum(value.nbytes for value in found.values()) < 62e6  # 58 M weights, a byte each


def test_norm_and_answers_stay_float(single: Graph) -> None:
    found = weights(single)
    assert found["conv1_window"].dtype == found["conv2_window"].dtype == np.float32
    assert not [name for name in found if name.startswith("logits")]
    assert {port.dtype for port in single.outputs} == {TensorProto.FLOAT}


def test_every_layer_runs_on_integers(single: Graph, tmp_path: Path) -> None:
    """Rounded weights that a float kernel widens again at every pass are slower than fp32."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    content = single.model.SerializeToString()
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    kernels = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert (kernels["QLinearConv"], kernels["QGemm"]) == (5, 3)
    assert kernels["Gemm"] == kernels["FusedGemm"] == 0
    assert kernels["Conv"] == 2  # the window sums of the norms


def test_a_value_passed_on_is_rounded_once(calibration: Calibration) -> None:
    ranges = calibration.ranges
    assert ranges["conv1_pooled"] == ranges["conv1_normed"]
    assert ranges["fc6_inputs"] == ranges["conv5_pooled"] == ranges["conv5_maps"]
    assert ranges["fc7_inputs"] == ranges["fc6_units"]


def test_calibration_says_what_it_saw(
    loaded: Checkpoint, calibration: Calibration, capsys: pytest.CaptureFixture[str]
) -> None:
    again = calibrate(single_graph(loaded), loaded.dialect, views(12, seed=3))
    assert again == calibration
    assert capsys.readouterr().out == ""
    said = calibration.as_json()
    assert (said["pictures"], said["method"]) == (12, "percentile 99.999")


def test_graphs_use_no_operators_but_onnxs(single: Graph) -> None:
    assert [(one.domain, one.version) for one in single.model.opset_import] == [("", 17)]
    assert single.model.ir_version == 9
    assert single.model.graph.name == "s1_single"
    assert all(not tensor.external_data for tensor in single.model.graph.initializer)
