"""Graphs on the processor: what they answer, how exactly, and what OpenVINO may not do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import numpy_helper

from alexnet_export.dialects import ALEXNET2012
from alexnet_export.graph import single_graph, tower_graphs
from alexnet_server.host_graph import HostGraph, read_graph
from alexnet_server.host_norm import with_own_norms
from tests.narrow_dialects import NARROW_CAFFE, narrowed, random_import

NARROW = narrowed(ALEXNET2012, {"conv1": 16, "conv2": 16, "conv3": 12, "conv4": 12}, "narrow")
PIXELS = np.random.default_rng(2012).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
ENDS = ("features", "probabilities")


def first_tower() -> onnx.ModelProto:
    """conv1 and conv2 of one tower: two norms, each with a window inside the tower."""
    return tower_graphs(random_import(NARROW))[0].model


def by_onnxruntime(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"images": images})[0]


def norms(model: onnx.ModelProto) -> int:
    written = with_own_norms(openvino.Core().read_model(model.SerializeToString()))
    return sum(node.get_type_name() == "LRN" for node in written.get_ops())


def require_alike(model: onnx.ModelProto) -> None:
    name = model.graph.output[0].name
    images = PIXELS[:, : model.graph.input[0].type.tensor_type.shape.dim[1].dim_value]
    expected = by_onnxruntime(model, images)
    found = HostGraph(read_graph(model.SerializeToString())).run({"images": images}, [name])[name]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_norms_of_a_tower_are_one_operator_each_and_give_the_same_maps() -> None:
    model = first_tower()
    assert norms(model) == 2
    require_alike(model)


def test_the_norm_is_no_small_matter_in_what_is_compared() -> None:
    without = first_tower()
    for tensor in without.graph.initializer:
        if tensor.name.endswith("_window"):
            tensor.CopyFrom(
                numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name)
            )
    whole, bare = by_onnxruntime(first_tower(), PIXELS), by_onnxruntime(without, PIXELS)
    assert np.abs(whole - bare).max() > 0.01 * np.abs(whole).max()


def changed(name: str, where: tuple[int, ...], factor: float) -> onnx.ModelProto:
    model = first_tower()
    (tensor,) = (one for one in model.graph.initializer if one.name == name)
    value = numpy_helper.to_array(tensor).copy()
    value[where] *= factor
    tensor.CopyFrom(numpy_helper.from_array(value, name))
    return model


@pytest.mark.parametrize(
    ("name", "where", "factor"),
    [
        ("conv1_window", (0, 0), 4.0),  # one map weighs more than the others
        ("conv1_window", (3, 5), 0.0),  # a hole in the window
        ("conv1_k", (2,), 3.0),  # a constant that is not one
    ],
)
def test_what_is_nearly_the_norm_stays_as_it_is_written(
    name: str, where: tuple[int, ...], factor: float
) -> None:
    model = changed(name, where, factor)
    assert norms(model) == 1  # conv2's
    require_alike(model)


def test_norms_over_the_border_and_of_two_towers_side_by_side_stay_as_they_are_written() -> None:
    beside = tower_graphs(random_import(NARROW_CAFFE))[0].model
    assert norms(beside) == 0
    both = single_graph(random_import(NARROW)).model
    assert norms(both) == 0
    require_alike(both)


def test_fp32_is_set_and_not_inherited_from_the_processor() -> None:
    """By itself OpenVINO computes in bfloat16 where it can, which is off by about 1e-2."""
    model = single_graph(random_import(NARROW)).model
    compiled = HostGraph(read_graph(model.SerializeToString()))._compiled
    assert str(compiled.get_property("INFERENCE_PRECISION_HINT")) == "<Type: 'float32'>"
    require_alike(model)


def test_answers_are_the_callers_own() -> None:
    graph = HostGraph(read_graph(single_graph(random_import(NARROW)).model.SerializeToString()))
    first = graph.run({"images": PIXELS[:1]}, ENDS)["features"]
    kept = first.copy()
    graph.run({"images": PIXELS[1:2]}, ENDS)
    assert np.array_equal(first, kept)


def test_batches_of_any_size_follow_each_other() -> None:
    graph = HostGraph(read_graph(single_graph(random_import(NARROW)).model.SerializeToString()))
    for count in (1, 3, 2, 3, 1):
        found = graph.run({"images": PIXELS[:count]}, ENDS)
        assert [len(found[name]) for name in ENDS] == [count, count]


@pytest.fixture
def graph_file(tmp_path: Path) -> Iterator[Path]:
    onnx.save(first_tower(), tmp_path / "model.onnx")
    yield tmp_path / "model.onnx"


WATCHED = """
import sys
import threading
from pathlib import Path
connected = []
sys.addaudithook(lambda event, given: event == "socket.connect" and connected.append(given))
from alexnet_server.host_graph import HostGraph, read_graph
HostGraph(read_graph(Path(sys.argv[1])))
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(10)
reported = [name for name in sys.modules if name.startswith("openvino_telemetry.")]
sys.exit(f"connected to {connected}, loaded {reported}" if connected or reported else 0)
"""


def test_openvino_reports_to_nobody(graph_file: Path, tmp_path: Path) -> None:
    assert metadata.version("openvino-telemetry")  # it is there, and would report
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(graph_file)],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},  # neither CI nor who opted out
    )
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []
