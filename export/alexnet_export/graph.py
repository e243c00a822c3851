"""Checkpoint -> the ONNX graphs of a layout.

Every graph that reads pictures takes ``images`` uint8 [N, 224, 224, 3] and does the rest itself:
mean, scale, layout and padding are inside.  N is free.  One file a graph, no external data.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.layers import shapes
from alexnet_export.nodes import NodeWriter
from alexnet_export.stages import Stage, classifier_stage_name, stages

_OPSET = 17
_IR_VERSION = 9  # read by every ONNX Runtime since 1.14
IMAGES = "images"
FEATURES = "features"
PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class Port:
    """A named input or output of a graph; ``dims`` are those of one picture, ``dtype`` ONNX's."""

    name: str
    dtype: int
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """One model of the repository; ``tower`` says on whose device it runs."""

    name: str
    tower: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    model: onnx.ModelProto


def tower_graphs(checkpoint: Checkpoint) -> list[Graph]:
    """The ``towers`` layout: two graphs a stage, then the classifier, in data order."""
    graphs: list[Graph] = []
    sources = images_port(checkpoint)
    for stage in stages(checkpoint.dialect):
        pair = [
            _tower_graph(checkpoint, stage, tower, sources)
            for tower in range(checkpoint.dialect.towers)
        ]
        graphs += pair
        sources = tuple(port for graph in pair for port in graph.outputs)
    writer = NodeWriter(checkpoint, tower=None)
    writer.answers(writer.both([port.name for port in sources]), FEATURES, PROBABILITIES)
    name = classifier_stage_name(checkpoint.dialect)
    graphs.append(_graph(name, 0, sources, answer_ports(checkpoint), writer))
    return graphs


def single_graph(checkpoint: Checkpoint) -> Graph:
    """The ``single`` layout: the same network in one graph, local layers as grouped ones."""
    writer = NodeWriter(checkpoint, tower=None)
    value = writer.normalized(IMAGES)
    for stage in stages(checkpoint.dialect):
        for layer in stage.layers:
            value = writer.layer(layer, value)
    writer.answers(value, FEATURES, PROBABILITIES)
    return _graph("s1_single", 0, images_port(checkpoint), answer_ports(checkpoint), writer)


def conv1_graph(checkpoint: Checkpoint) -> Graph:
    """``images`` -> ``conv1`` float32 [N, 96, 55, 55]: the first maps after ReLU, for looking."""
    writer = NodeWriter(checkpoint, tower=None)
    first = checkpoint.dialect.convolutions[0]
    writer.name_value(writer.convolution(first, writer.normalized(IMAGES)), first.name)
    maps = shapes(checkpoint.dialect, len(checkpoint.classes))[0].activation
    port = Port(first.name, TensorProto.FLOAT, maps)
    return _graph(first.name, 0, images_port(checkpoint), (port,), writer)


def images_port(checkpoint: Checkpoint) -> tuple[Port, ...]:
    """The one input of the network."""
    side = checkpoint.dialect.image_side
    return (Port(IMAGES, TensorProto.UINT8, (side, side, 3)),)


def answer_ports(checkpoint: Checkpoint) -> tuple[Port, ...]:
    """The two outputs of the network: ``features`` (fc7 after ReLU) and ``probabilities``."""
    return (
        Port(FEATURES, TensorProto.FLOAT, (checkpoint.dialect.feature_units,)),
        Port(PROBABILITIES, TensorProto.FLOAT, (len(checkpoint.classes),)),
    )


def _tower_graph(
    checkpoint: Checkpoint, stage: Stage, tower: int, sources: tuple[Port, ...]
) -> Graph:
    writer = NodeWriter(checkpoint, tower)
    names = [port.name for port in sources]
    value = writer.normalized(IMAGES) if names == [IMAGES] else writer.both(names)
    for layer in stage.layers:
        value = writer.layer(layer, value)
    last = stage.layers[-1].name
    output = f"{last}_tower{tower}"
    writer.name_value(value, output)
    by_name = {shape.name: shape for shape in shapes(checkpoint.dialect, len(checkpoint.classes))}
    channels, *rest = by_name[last].output
    dims = (channels // checkpoint.dialect.towers, *rest)
    port = Port(output, TensorProto.FLOAT, dims)
    return _graph(f"{stage.name}_tower{tower}", tower, sources, (port,), writer)


def _graph(
    name: str,
    tower: int,
    inputs: tuple[Port, ...],
    outputs: tuple[Port, ...],
    writer: NodeWriter,
) -> Graph:
    graph = helper.make_graph(
        writer.nodes,
        name,
        [
            helper.make_tensor_value_info(port.name, port.dtype, ["N", *port.dims])
            for port in inputs
        ],
        [
            helper.make_tensor_value_info(port.name, port.dtype, ["N", *port.dims])
            for port in outputs
        ],
        writer.initializers,
    )
    model = helper.make_model(
        graph,
        producer_name="alexnet-export",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    return Graph(name, tower, inputs, outputs, model)
