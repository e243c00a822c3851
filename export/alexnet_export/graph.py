"""Checkpoint -> the ONNX graphs of a layout.

Every graph that reads pictures takes ``images`` uint8 [N, side, side, 3] (224 in the paper's
network) and does the rest itself: mean, scale, layout and padding are inside.  N is free.  One
file a graph, no external data.  ``half`` graphs hold weights and maps as float16, and so does what
crosses between the towers; pictures stay uint8, ``features`` and ``probabilities`` float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx
from onnx import TensorProto, helper

from alexnet_export.border import sent_maps
from alexnet_export.checkpoint import Checkpoint
from alexnet_export.layers import shapes
from alexnet_export.nodes import NodeWriter
from alexnet_export.stages import (
    NormAndPool,
    Stage,
    Work,
    classifier_stage_name,
    numbered,
    sizes,
    stages,
)

_OPSET = 17  # of 2022: with this IR version, read by every Triton since 23.02
_IR_VERSION = 9  # read by every ONNX Runtime since 1.14
IMAGES = "images"
FEATURES = "features"
PROBABILITIES = "probabilities"
SINGLE = "s1_single"  # the one graph of that layout


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
    other tower's graph of the same stage runs at the same time.  ``member`` is what the name begins
    with where several networks are averaged.
    """

    name: str
    about: str
    tower: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    model: onnx.ModelProto
    is_paired: bool = False
    member: str = ""

    def value(self, port: Port) -> str:
        """What the ensemble calls the value behind a port: each member has values of its own.

        The pictures are everybody's; features are those of one member (averaged.py).
        """
        return port.name if port.name in (IMAGES, FEATURES) else f"{self.member}{port.name}"


def tower_graphs(checkpoint: Checkpoint, *, half: bool = False) -> list[Graph]:
    """The ``towers`` layout: two graphs a stage, then the classifier, in data order."""
    graphs: list[Graph] = []
    source = _Source(images_port(checkpoint))
    for stage in stages(checkpoint.dialect):
        pair = [
            _tower_graph(checkpoint, stage, source, tower, half=half)
            for tower in range(checkpoint.dialect.towers)
        ]
        graphs += pair
        ports, *border = zip(*(graph.outputs for graph in pair), strict=True)
        source = _Source(ports, stage.layers[-1], *border)
    writer = NodeWriter(checkpoint, tower=None, half=half)
    writer.answers(source.value(writer, 0), FEATURES, PROBABILITIES)
    name = classifier_stage_name(checkpoint.dialect)
    about = (
        f"{checkpoint.dialect.classifier}, the classifier, on the device of tower 0.\n"
        f"It reads {source.about}, which side by side are the features."
    )
    outputs = answer_ports(checkpoint)
    graphs.append(_graph(name, 0, source.ports, outputs, writer, about=about))
    return graphs


def single_graph(checkpoint: Checkpoint, *, half: bool = False) -> Graph:
    """The ``single`` layout: the same network in one graph, local layers as grouped ones."""
    writer = NodeWriter(checkpoint, tower=None, half=half)
    value = writer.normalized(IMAGES)
    for layer in checkpoint.dialect.layers:
        value = writer.layer(layer, value)
    writer.answers(value, FEATURES, PROBABILITIES)
    about = "The whole network in one graph: both towers side by side, on one device."
    inputs, outputs = images_port(checkpoint), answer_ports(checkpoint)
    return _graph(SINGLE, 0, inputs, outputs, writer, about=about)


def conv1_graph(checkpoint: Checkpoint) -> Graph:
    """``images`` -> ``conv1`` float32 [N, 96, 55, 55]: the first maps after ReLU, for looking.

    That is the paper's; other dialects have other numbers of maps and other sides.
    """
    writer = NodeWriter(checkpoint, tower=None)
    first = checkpoint.dialect.convolutions[0]
    writer.output(writer.first_maps(first, writer.normalized(IMAGES)), first.name)
    maps = shapes(checkpoint.dialect, len(checkpoint.classes))[0].activation
    port = Port(first.name, TensorProto.FLOAT, maps)
    after = "ReLU" if checkpoint.dialect.activation == "relu" else checkpoint.dialect.activation
    about = (
        f"The maps of {first.name} after {after}, of both towers, for looking at.\n"
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
    """What a stage reads: the pictures, or what each tower gave of ``layer``.

    ``border`` is what the other tower reads of it in place of all, tower by tower.
    """

    ports: tuple[Port, ...]
    layer: Work | None = None
    border: tuple[Port, ...] = ()

    def read_by(self, tower: int) -> tuple[Port, ...]:
        """The ports that a tower's graph reads, in the order of the towers that made them."""
        if not self.border:
            return self.ports
        return tuple(
            port if maker == tower else border
            for maker, (port, border) in enumerate(zip(self.ports, self.border, strict=True))
        )

    @property
    def about(self) -> str:
        if self.layer is None:
            return "the pictures"
        if self.border:
            maps = self.border[0].dims[0]
            return f"its own half of {self.layer.name} and the {maps} maps of the other beside it"
        return f"{self.layer.name} of both towers"

    def value(self, writer: NodeWriter, tower: int) -> str:
        if self.layer is None:
            return writer.normalized(IMAGES)
        if self.border:
            return self.ports[tower].name
        return writer.both([port.name for port in self.ports], self.layer)


def _tower_graph(
    checkpoint: Checkpoint, stage: Stage, source: _Source, tower: int, *, half: bool
) -> Graph:
    writer = NodeWriter(checkpoint, tower, half=half)
    value = source.value(writer, tower)
    for layer in stage.layers:
        if isinstance(layer, NormAndPool):
            value = writer.behind(layer.convolution, value, source.border[1 - tower].name)
        else:
            value = writer.layer(layer, value)
    last, towers = stage.layers[-1], checkpoint.dialect.towers
    dtype = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    _, (rows, *rest) = sizes(checkpoint.dialect, last)
    outputs = [Port(f"{last.name}_tower{tower}", dtype, (rows // towers, *rest))]
    writer.output(value, outputs[0].name)
    gives = f"its own half of {last.name}"
    if stage.border is not None:
        sent = sent_maps(stage.border, towers, tower)
        border = f"{numbered('border', stage.border)}_tower{tower}"
        outputs.append(Port(border, dtype, (len(sent), *rest)))
        writer.output(writer.pick(stage.border, value, sent), border)
        gives += f",\nand the {len(sent)} maps at its border once more, for the other tower"
    layers = ", ".join(layer.name for layer in stage.layers)
    about = f"{layers} of tower {tower}.\nIt reads {source.about} and gives {gives}."
    name = f"{stage.name}_tower{tower}"
    graph = _graph(name, tower, source.read_by(tower), tuple(outputs), writer, about=about)
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
    model = as_model(name, writer.nodes, inputs, outputs, writer.initializers)
    return Graph(name, about, tower, inputs, outputs, model)


def as_model(
    name: str,
    nodes: list[onnx.NodeProto],
    inputs: tuple[Port, ...],
    outputs: tuple[Port, ...],
    initializers: list[onnx.TensorProto],
) -> onnx.ModelProto:
    """One ONNX model of nodes, whose ports have any number of pictures."""
    ports = (
        [helper.make_tensor_value_info(port.name, port.dtype, ["N", *port.dims]) for port in each]
        for each in (inputs, outputs)
    )
    graph = helper.make_graph(nodes, name, *ports, initializers)
    model = helper.make_model(
        graph,
        producer_name="alexnet-export",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model
