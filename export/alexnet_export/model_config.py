"""``config.pbtxt`` of every model, written through Triton's own protobuf."""

from __future__ import annotations

from google.protobuf import text_format
from onnx import TensorProto
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_export.errors import ExportError
from alexnet_export.graph import PROBABILITIES, Graph, Port
from alexnet_repository.files import ENSEMBLE, LABELS_FILE

MAX_BATCH = 64
_DTYPES = {TensorProto.FLOAT: triton.TYPE_FP32, TensorProto.UINT8: triton.TYPE_UINT8}


def part_config(graph: Graph, devices: tuple[str, ...]) -> str:
    """The text for one graph; its tower's device is ``devices[tower]``, wrapping round.

    Raises ExportError on a device that is neither ``cpu`` nor ``cuda:N``.
    """
    config = triton.ModelConfig(name=graph.name, backend="onnxruntime", max_batch_size=MAX_BATCH)
    _add_ports(config, graph.inputs, graph.outputs)
    config.instance_group.append(instance_group(devices[graph.tower % len(devices)]))
    config.dynamic_batching.SetInParent()
    return str(text_format.MessageToString(config))


def ensemble_config(
    parts: list[Graph], inputs: tuple[Port, ...], outputs: tuple[Port, ...], version: int
) -> str:
    """The text for the ensemble that leads ``inputs`` through ``parts`` to ``outputs``."""
    config = triton.ModelConfig(name=ENSEMBLE, platform="ensemble", max_batch_size=MAX_BATCH)
    _add_ports(config, inputs, outputs)
    for output in config.output:
        if output.name == PROBABILITIES:
            output.label_filename = LABELS_FILE
    for part in parts:
        step = config.ensemble_scheduling.step.add(model_name=part.name, model_version=version)
        for port in part.inputs:
            step.input_map[port.name] = port.name
        for port in part.outputs:
            step.output_map[port.name] = port.name
    return str(text_format.MessageToString(config))


def _add_ports(
    config: triton.ModelConfig, inputs: tuple[Port, ...], outputs: tuple[Port, ...]
) -> None:
    for port in inputs:
        config.input.add(name=port.name, data_type=_DTYPES[port.dtype], dims=port.dims)
    for port in outputs:
        config.output.add(name=port.name, data_type=_DTYPES[port.dtype], dims=port.dims)


def instance_group(device: str) -> triton.ModelInstanceGroup:
    """Where a model runs, ``cpu`` or ``cuda:N``.  Raises ExportError on anything else."""
    kind, _, number = device.partition(":")
    if device == "cpu":
        return triton.ModelInstanceGroup(count=1, kind=triton.ModelInstanceGroup.KIND_CPU)
    if kind == "cuda" and number.isdecimal():
        return triton.ModelInstanceGroup(
            count=1, kind=triton.ModelInstanceGroup.KIND_GPU, gpus=[int(number)]
        )
    raise ExportError(f"device {device!r} is not one of: cpu, cuda:0, cuda:0,cuda:1")
