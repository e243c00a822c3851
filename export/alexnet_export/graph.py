"""Checkpoint -> the ONNX graphs of a layout.

Every graph that reads pictures takes ``images`` uint8 [N, 224, 224, 3] and does the rest itself:
mean, scale, layout and padding are inside.  N is free.  One file a graph, no external data.
``half`` graphs hold weights and maps as float16, and so does what crosses between the towers;
pictures stay uint8, ``features`` and ``probabilities`` float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx
from onnx import TensorProto, helper

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.layers import Layer, shapes
from alexnet_export.nodes import NodeWriter
from alexnet_export.stages import Stage, classifier_stage_name, stages

_OPSET = 17  # of 2022: with this IR version, read by every Triton since 23.02
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
    """One model of the repository; ``tower`` says on whose device it runs.

    ``about`` says in a sentence or two what it computes, for a person; ``is_paired`` whether the
    other tower's graph of the same stage runs at the same time.
    """

    name: str
    about: str
    tower: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    model: onnx.ModelProto
    is_paired: bool = False


def tower_graphs(checkpoint: Checkpoint, *, half: bool = False) -> list[Graph]:
    """The ``towers`` layout: two graphs a stage, then the classifier, in data order."""
    graphs: list[Graph] = []
    source = _Source(images_port(checkpoint), None)
    for stage in stages(checkpoint.dialect):
        pair = [
            _tower_graph(checkpoint, stage, source, tower, half=half)
            for tower in range(checkpoint.dialect.towers)
        ]
        graphs += pair
        ports = tuple(port for graph in pair for port in graph.outputs)
        source = _Source(ports, stage.layers[-1])
    writer = NodeWriter(checkpoint, tower=None, half=half)
    writer.answers(source.value(writer), FEATURES, PROBABILITIES)
    name = classifier_stage_name(checkpoint.dialect)
    about = (
        f"{checkpoint.dialect.classifier}, the classifier, on the device of tower 0.\n"
        f"It reads {source.about} of both towers, which side by side are the features."
    )
    outputs = answer_ports(checkpoint)
    graphs.append(_graph(name, 0, source.ports, outputs, writer, about=about))
    return graphs


def single_graph(checkpoint: Checkpoint, *, half: bool = False) -> Graph:
    """The ``single`` layout: the same network in one graph, local layers as grouped ones."""
    writer = NodeWriter(checkpoint, tower=None, half=half)
    value = writer.normalized(IMAGES)
    for stage in stages(checkpoint.dialect):
        for layer in stage.layers:
            value = writer.layer(layer, value)
    writer.answers(value, FEATURES, PROBABILITIES)
    about = "The whole network in one graph: both towers side by side, on one device."
    inputs, outputs = images_port(checkpoint), answer_ports(checkpoint)
    return _graph("s1_single", 0, inputs, outputs, writer, about=about)


def conv1_graph(checkpoint: Checkpoint) -> Graph:
    """``images`` -> ``conv1`` float32 [N, 96, 55, 55]: the first maps after ReLU, for looking."""
    writer = NodeWriter(checkpoint, tower=None)
    first = checkpoint.dialect.convolutions[0]
    writer.output(writer.convolution(first, writer.normalized(IMAGES)), first.name)
    maps = shapes(checkpoint.dialect, len(checkpoint.classes))[0].activation
    port = Port(first.name, TensorProto.FLOAT, maps)
    about = (
        f"The maps of {first.name} after ReLU, of both towers, for looking at.\n"
        "No step of the ensemble."
    )
    return _graph(first.name, 0, images_port(checkpoint), (port,), writer, about=about)


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


@dataclass(frozen=True)
class _Source:
    """What a stage reads: the pictures, or what ``layer`` gave in every tower."""

    ports: tuple[Port, ...]
    layer: Layer | None

    @property
    def about(self) -> str:
        return "the pictures" if self.layer is None else self.layer.name

    def value(self, writer: NodeWriter) -> str:
        if self.layer is None:
            return writer.normalized(IMAGES)
        return writer.both([port.name for port in self.ports], self.layer)


def _tower_graph(
    checkpoint: Checkpoint, stage: Stage, source: _Source, tower: int, *, half: bool
) -> Graph:
    writer = NodeWriter(checkpoint, tower, half=half)
    value = source.value(writer)
    for layer in stage.layers:
        value = writer.layer(layer, value)
    last = stage.layers[-1].name
    output = f"{last}_tower{tower}"
    writer.output(value, output)
    by_name = {shape.name: shape for shape in shapes(checkpoint.dialect, len(checkpoint.classes))}
    channels, *rest = by_name[last].output
    dims = (channels // checkpoint.dialect.towers, *rest)
    port = Port(output, TensorProto.FLOAT16 if half else TensorProto.FLOAT, dims)
    layers = ", ".join(layer.name for layer in stage.layers)
    reads = source.about if source.layer is None else f"{source.about} of both towers"
    about = f"{layers} of tower {tower}.\nIt reads {reads} and gives its own half of {last}."
    name = f"{stage.name}_tower{tower}"
    graph = _graph(name, tower, source.ports, (port,), writer, about=about)
    return replace(graph, is_paired=True)


def _graph(
    name: str,
    tower: int,
    inputs: tuple[Port, ...],
    outputs: tuple[Port, ...],
    writer: NodeWriter,
    *,
    about: str,
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
    return Graph(name, about, tower, inputs, outputs, model)
