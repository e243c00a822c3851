"""The Zoo's ONNX file: read by its structure, and right to the source's own numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from alexnet_export.dialects import CAFFE, CAFFE224
from alexnet_export.errors import SourceError
from alexnet_export.importing.source import read
from alexnet_export.importing.zoo_file import read_zoo_file
from tests.narrow_dialects import centres
from tests.unit.importing.agreement import CLASSES, assert_agrees
from tests.unit.importing.random_weights import random_weights, thin_weights
from tests.unit.importing.zoo_source import ANSWER, FEATURES, give, node, zoo_model

MEAN_BGR = np.array([104.00698793, 116.66876762, 122.67891434], np.float32)[:, None, None]
Change = Callable[[onnx.ModelProto], object]


def answers(model: onnx.ModelProto, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What ONNX Runtime gives for ``views`` uint8 [n, side, side, 3] RGB, one by one."""
    told = onnx.ModelProto()
    told.CopyFrom(model)
    told.graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(told.SerializeToString(), options)
    found = []
    for view in views:
        planes = view.transpose(2, 0, 1)[::-1].astype(np.float32) - MEAN_BGR
        found.append(session.run([FEATURES, ANSWER], {"data_0": planes[None]}))
    features, probabilities = zip(*found, strict=True)
    return np.concatenate(features), np.concatenate(probabilities)


def test_it_gives_what_the_source_gives(tmp_path: Path) -> None:
    weights = random_weights()
    model, file = zoo_model(weights), tmp_path / "a name that says nothing"
    file.write_bytes(model.SerializeToString())
    checkpoint = read("caffe", file, verified=False, mean=None, classes=CLASSES)
    assert checkpoint.dialect == CAFFE224
    assert checkpoint.scale == 1
    assert (checkpoint.tensors["mean"] == MEAN_BGR[::-1, 0, 0]).all()
    views = centres(CAFFE224, 4)
    assert_agrees(checkpoint, views, *answers(model, views))
    del model
    _, tensors = read_zoo_file(spelt_otherwise(weights, file).SerializeToString())
    for name, tensor in tensors.items():
        assert (tensor == checkpoint.tensors[name]).all(), name


def spelt_otherwise(weights: dict[str, np.ndarray], file: Path) -> onnx.ModelProto:
    """The same network, said in other words."""
    model = onnx.load(file)
    for output in ("pool1_1", "pool2_1", "pool5_1"):
        give(model, output, "pads", [0, 0, 0, 0])
        give(model, output, "ceil_mode", 1)
    for output in ("norm1_1", "norm2_1"):  # ONNX's defaults for these
        kept = [one for one in node(model, output).attribute if one.name == "size"]
        del node(model, output).attribute[:]
        node(model, output).attribute.extend(kept)
    node(model, "OC2_DUMMY_0").CopyFrom(helper.make_node("Flatten", ["pool5_1"], ["OC2_DUMMY_0"]))
    graph = model.graph
    # Constants of nodes, under other names, and a dense weight the other way round.
    turned = np.ascontiguousarray(weights["fc8.weight"].T)
    for name, tensor in (("conv2_b_0", weights["conv2.bias"]), ("fc8_w_0", turned)):
        (old,) = [one for one in graph.initializer if one.name == name]
        graph.initializer.remove(old)
        (value,) = [one for one in graph.input if one.name == name]
        graph.input.remove(value)
        constant = numpy_helper.from_array(tensor)
        graph.node.insert(0, helper.make_node("Constant", [], [name], value=constant))
    give(model, "fc8_1", "transB", 0)
    names = {output for one in graph.node for output in one.output} | {"data_0"}
    names |= {one.name for one in graph.initializer}
    others = {name: f"t{number}" for number, name in enumerate(sorted(names))}
    for one in graph.node:
        for values in (one.input, one.output):
            values[:] = [others[name] for name in values]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = others[value.name]
    onnx.checker.check_model(model)
    return model


def refusal(change: Change, side: int = 224) -> str:
    """Why a thin network with one change is refused."""
    model = zoo_model(thin_weights(), side)
    change(model)
    with pytest.raises(SourceError) as refused:
        read_zoo_file(model.SerializeToString())
    return str(refused.value)


def test_only_its_weights_are_wrong_with_the_thin_network() -> None:
    """So what is refused below is refused for the change alone; the side says which dialect."""
    for side in (CAFFE224.image_side, CAFFE.image_side):
        assert "conv1's weight (Conv conv1_1) is [2, 2, 11, 11]" in refusal(lambda _: None, side)


def drop(model: onnx.ModelProto, output: str) -> None:
    """Leave a node out: what reads it reads what it read."""
    dropped = node(model, output)
    for one in model.graph.node:
        one.input[:] = [dropped.input[0] if name == output else name for name in one.input]
    model.graph.node.remove(dropped)


@pytest.mark.parametrize(
    ("output", "name", "value", "reason"),
    [
        ("conv1_1", "pads", [2, 2, 2, 2], "conv1 (Conv conv1_1) has padding (2, 2, 2, 2)"),
        ("conv3_1", "dilations", [2, 2], "Conv conv3_1 has"),
        ("conv2_1", "group", 1, "conv2 (Conv conv2_1) has group 1, and bvlc_alexnet has 2"),
        ("conv3_1", "group", 2, "conv3 (Conv conv3_1) has group 2, and bvlc_alexnet has 1"),
        ("conv2_1", "auto_pad", "SAME_UPPER", "Conv conv2_1 has"),
        ("conv4_1", "kernel_shape", [1, 1], "Conv conv4_1 has kernel 1, its weight 3"),
        ("norm1_1", "size", 3, "conv1's norm (LRN norm1_1) has size 3"),
        ("norm2_1", "alpha", 2e-4, "conv2's norm (LRN norm2_1) has alpha"),
        ("norm1_1", "beta", 0.5, "conv1's norm (LRN norm1_1) has beta 0.5"),
        ("norm1_1", "bias", 2.0, "conv1's norm (LRN norm1_1) has k 2.0"),
        ("pool2_1", "kernel_shape", [2, 2], "conv2's pool (MaxPool pool2_1) has kernel 2"),
        ("pool1_1", "pads", [1, 1, 0, 0], "conv1's pool (MaxPool pool1_1) has padding (1, 1"),
        (
            "pool1_1",
            "pads",
            [0, 0, 0, 0],
            "conv1's pool (MaxPool pool1_1) has padding (0, 0, 0, 0)",
        ),
        ("pool5_1", "pads", [0, 0, 9, 9], "MaxPool pool5_1 has pads"),
        ("fc7_1", "alpha", 0.5, "Gemm fc7_1 scales or turns"),
        ("fc6_1", "transA", 1, "Gemm fc6_1 scales or turns"),
        ("fc6_1", "broadcast", 1, "Gemm fc6_1 has the attribute broadcast"),
        (ANSWER, "axis", 0, "is not over the classes"),
        ("conv1_1", "pads", 1, "Conv conv1_1 has an attribute pads of another type"),
        ("pool1_1", "strides", ["a", "b"], "has an attribute strides of another type"),
        ("norm1_1", "alpha", [1e-4, 1e-4], "has an attribute alpha of another type"),
    ],
)
def test_another_setting_is_refused(output: str, name: str, value: object, reason: str) -> None:
    said = refusal(lambda model: give(model, output, name, value))
    assert reason in said
    assert "conv1's weight" not in said


def _branch(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["pool2_1"], ["beside"]))


def _circle(model: onnx.ModelProto) -> None:
    node(model, "fc7_3").output[0] = "fc7_2"


def _answers_before(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "fc8_1"


def _one_more(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["fc8_1"], ["more"]))
    node(model, ANSWER).input[0] = "more"


def _other_rows(model: onnx.ModelProto) -> None:
    (tensor,) = [one for one in model.graph.initializer if one.name == "OC2_DUMMY_1"]
    tensor.CopyFrom(numpy_helper.from_array(np.array([2, 36], np.int64), tensor.name))


def _external(model: onnx.ModelProto) -> None:
    (tensor,) = [one for one in model.graph.initializer if one.name == "conv1_w_0"]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _too_few_numbers(model: onnx.ModelProto) -> None:
    (tensor,) = [one for one in model.graph.initializer if one.name == "conv1_w_0"]
    tensor.dims[:] = [2**31, 2**31, 11, 11]


def _no_bias(model: onnx.ModelProto) -> None:
    del node(model, "conv4_1").input[2]


def _whole_numbers(model: onnx.ModelProto) -> None:
    (tensor,) = [one for one in model.graph.initializer if one.name == "fc6_w_0"]
    tensor.CopyFrom(numpy_helper.from_array(np.ones((2, 2), np.int32), tensor.name))


def _weight_computed(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Neg", ["conv1_w_0"], ["other"]))
    node(model, "conv1_1").input[1] = "other"


def _two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _other_side(model: onnx.ModelProto) -> None:
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = 256


def _other_domain(model: onnx.ModelProto) -> None:
    node(model, "conv5_2").domain = "com.example"


def _old_operators(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 6


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: drop(model, "norm2_1"), "at conv2's norm there is max pool (MaxPool"),
        (lambda model: drop(model, "conv3_2"), "at conv3's ReLU there is convolution (Conv"),
        (lambda model: setattr(node(model, "conv1_2"), "op_type", "Sigmoid"), "there is Sigmoid"),
        (lambda model: drop(model, "OC2_DUMMY_0"), "Gemm fc6_1 reads maps"),
        (lambda model: drop(model, ANSWER), "0 nodes read fc8_1"),
        (_branch, "2 nodes read pool2_1"),
        (_circle, "its nodes go round in a circle"),
        (_answers_before, "Softmax prob_1 is not what the network answers"),
        (_one_more, "behind fc8 there is ReLU"),
        (_other_rows, "makes [2, 36], no row of 72 a picture"),
        (_external, "conv1_w_0 lies in another file, which is not opened"),
        (_too_few_numbers, "conv1_w_0 is damaged"),
        (_no_bias, "Conv conv4_1 has no constant as input 2"),
        (_whole_numbers, "fc6_w_0 is not float32"),
        (_weight_computed, "Conv conv1_1 has no constant as input 1 (other)"),
        (_two_inputs, "it has 2 inputs"),
        (_other_side, "its input data_0 is [1, 3, 256, 256]"),
        (_other_domain, "Relu conv5_2 is no operator of bvlc_alexnet"),
        (_old_operators, "version 6"),
    ],
)
def test_another_graph_is_refused(change: Change, reason: str) -> None:
    assert reason in refusal(change)


def test_a_file_that_was_cut_off_is_refused() -> None:
    content = zoo_model(thin_weights()).SerializeToString()
    with pytest.raises(SourceError, match="damaged or cut off"):
        read_zoo_file(content[:-100])


def test_no_other_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights in a file beside it, which is there and would fit."""
    monkeypatch.chdir(tmp_path)
    model = zoo_model(thin_weights())
    (tensor,) = [one for one in model.graph.initializer if one.name == "fc6_w_0"]
    (tmp_path / "weights").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceError, match="fc6_w_0 lies in another file, which is not opened"):
        read("caffe", tmp_path / "model.onnx", verified=False, mean=None, classes=CLASSES)
