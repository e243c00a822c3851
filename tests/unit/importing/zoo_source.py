"""The graph of the ONNX Model Zoo's bvlcalexnet-12.onnx, as Caffe2 exported it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.unit.importing.random_weights import Weights

FEATURES, ANSWER = "fc7_2", "prob_1"


class _Graph:
    """Nodes with Caffe2's names: ``conv1_1`` is what conv1 gives, ``conv1_2`` what its ReLU."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.value = "data_0"

    def add(self, kind: str, output: str, *constants: str, **attributes: Any) -> None:
        inputs, outputs = [self.value, *constants], [output]
        if kind == "Dropout":
            outputs.append(f"_{output.replace('_3', '_mask_1')}")
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        self.value = output

    def weighted(self, kind: str, name: str, **attributes: Any) -> None:
        for short, long in (("w", "weight"), ("b", "bias")):
            tensor = self.weights[f"{name}.{long}"]
            self.constants.append(numpy_helper.from_array(tensor, f"{name}_{short}_0"))
        self.add(kind, f"{name}_1", f"{name}_w_0", f"{name}_b_0", **attributes)

    def convolution(self, number: int, kernel: int, stride: int, pad: int, group: int) -> None:
        name = f"conv{number}"
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        self.weighted("Conv", name, group=group, **attributes)
        self.add("Relu", f"{name}_2")

    def norm(self, number: int) -> None:
        self.add("LRN", f"norm{number}_1", size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def pool(self, number: int, behind: int = 0) -> None:
        pads = [0, 0, behind, behind]
        self.add("MaxPool", f"pool{number}_1", kernel_shape=[3, 3], strides=[2, 2], pads=pads)

    def hidden(self, name: str) -> None:
        self.weighted("Gemm", name, transB=1)
        self.add("Relu", f"{name}_2")
        self.add("Dropout", f"{name}_3")


def zoo_model(weights: Weights, side: int = 224) -> onnx.ModelProto:
    """The model; ``weights`` are for BGR.  Of side 227 it is Caffe's own network."""
    graph = _Graph(weights)
    graph.convolution(1, 11, 4, 0, 1)
    graph.norm(1)
    graph.pool(1, behind=1 if side == 224 else 0)
    graph.convolution(2, 5, 1, 2, 2)
    graph.norm(2)
    graph.pool(2)
    graph.convolution(3, 3, 1, 1, 1)
    graph.convolution(4, 3, 1, 1, 2)
    graph.convolution(5, 3, 1, 1, 2)
    graph.pool(5)
    row = np.array([1, 36 * len(weights["conv5.bias"])], np.int64)
    graph.constants.append(numpy_helper.from_array(row, "OC2_DUMMY_1"))
    graph.add("Reshape", "OC2_DUMMY_0", "OC2_DUMMY_1")
    graph.hidden("fc6")
    graph.hidden("fc7")
    graph.weighted("Gemm", "fc8", transB=1)
    graph.add("Softmax", ANSWER, axis=1)
    # As in files of that age, what is constant stands among the inputs too.
    inputs = [helper.make_tensor_value_info("data_0", TensorProto.FLOAT, [1, 3, side, side])]
    inputs += [
        helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in graph.constants
    ]
    answer = helper.make_tensor_value_info(ANSWER, TensorProto.FLOAT, [1, None])
    made = helper.make_graph(graph.nodes, "AlexNet", inputs, [answer], graph.constants)
    opset = [helper.make_opsetid("", 12)]
    return helper.make_model(made, opset_imports=opset, producer_name="onnx-caffe2", ir_version=3)


def node(model: onnx.ModelProto, output: str) -> onnx.NodeProto:
    """The node that gives ``output``."""
    (found,) = [one for one in model.graph.node if output in one.output]
    return found


def give(model: onnx.ModelProto, output: str, name: str, value: Any) -> None:
    """Set an attribute of the node that gives ``output``."""
    changed = node(model, output)
    kept = [one for one in changed.attribute if one.name != name]
    del changed.attribute[:]
    changed.attribute.extend([*kept, helper.make_attribute(name, value)])
