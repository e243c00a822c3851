"""``config.pbtxt`` of every model: Triton's own protobuf as text, with a word on each setting."""

from __future__ import annotations

from google.protobuf import text_format
from onnx import TensorProto
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_export.errors import ExportError
from alexnet_export.graph import IMAGES, PROBABILITIES, Graph, Port
from alexnet_repository.files import ENSEMBLE, LABELS_FILE

MAX_BATCH = 64
# A picture alone takes tens of milliseconds on a CPU and about one on a GPU: waiting a millisecond
# for others costs little.  Behind the first step a batch's requests come together as they left.
_FIRST_DELAY_US = 1000
_LATER_DELAY_US = 100
_MAX_QUEUE_SIZE = 256
_TIMEOUT_US = 30_000_000
_WARM_BATCHES = (1, 16)
_DTYPES = {
    TensorProto.FLOAT: triton.TYPE_FP32,
    TensorProto.FLOAT16: triton.TYPE_FP16,
    TensorProto.UINT8: triton.TYPE_UINT8,
}
_WRITTEN_BY = "Written by alexnet-export; the next deploy replaces it."

# Settings that belong together, and what is said above them.
_Section = tuple[str, triton.ModelConfig]


def part_config(graph: Graph, devices: tuple[str, ...]) -> str:
    """The text for one graph; its tower's device is ``devices[tower]``, wrapping round.

    Raises ExportError on a device that is neither ``cpu`` nor ``cuda:N``.
    """
    head = triton.ModelConfig(name=graph.name, backend="onnxruntime", max_batch_size=MAX_BATCH)
    device = devices[graph.tower % len(devices)]
    place = triton.ModelConfig(instance_group=[instance_group(device)])
    return _text(
        (f"{graph.about}\n{_WRITTEN_BY}", head),
        ("", _ports(graph.inputs, graph.outputs)),
        ("", place),
        *([] if device == "cpu" else [_cuda()]),
        _two_versions(),
        _queue(graph),
        _warmup(graph),
    )


def ensemble_config(
    parts: list[Graph], inputs: tuple[Port, ...], outputs: tuple[Port, ...], version: int
) -> str:
    """The text for the ensemble that leads ``inputs`` through ``parts`` to ``outputs``."""
    head = triton.ModelConfig(name=ENSEMBLE, platform="ensemble", max_batch_size=MAX_BATCH)
    ports = _ports(inputs, outputs)
    for output in ports.output:
        if output.name == PROBABILITIES:
            output.label_filename = LABELS_FILE
    steps = triton.ModelConfig()
    for part in parts:
        step = steps.ensemble_scheduling.step.add(model_name=part.name, model_version=version)
        for port in part.inputs:
            step.input_map[port.name] = part.value(port)
        for port in part.outputs:
            step.output_map[port.name] = part.value(port)
    return _text(
        (f"The whole network: pictures in, features and probabilities out.\n{_WRITTEN_BY}", head),
        ("", ports),
        (
            "Each step runs as soon as what it reads is there.  Steps name their version, so that\n"
            "a request never meets parts of two deploys.",
            steps,
        ),
    )


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


def _ports(inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> triton.ModelConfig:
    config = triton.ModelConfig()
    for port in inputs:
        config.input.add(name=port.name, data_type=_DTYPES[port.dtype], dims=port.dims)
    for port in outputs:
        config.output.add(name=port.name, data_type=_DTYPES[port.dtype], dims=port.dims)
    return config


def _cuda() -> _Section:
    """Options of ONNX Runtime's CUDA provider, as Triton's onnxruntime backend passes them on."""
    config = triton.ModelConfig()
    accelerators = config.optimization.execution_accelerators
    options = accelerators.gpu_execution_accelerator.add(name="cuda").parameters
    # The default, 1, lets fp32 be computed with the 10 bits of TensorFloat-32.
    options["use_tf32"] = "0"
    # The default tries every algorithm anew for each size of batch.
    options["cudnn_conv_algo_search"] = "HEURISTIC"
    return "All bits of fp32, and no search at each new size of batch.", config


def _two_versions() -> _Section:
    latest = triton.ModelVersionPolicy.Latest(num_versions=2)
    return (
        "The version before stays loaded until the ensemble names the new one.",
        triton.ModelConfig(version_policy=triton.ModelVersionPolicy(latest=latest)),
    )


def _queue(graph: Graph) -> _Section:
    is_first = [port.name for port in graph.inputs] == [IMAGES]
    config = triton.ModelConfig()
    batching = config.dynamic_batching
    batching.max_queue_delay_microseconds = _FIRST_DELAY_US if is_first else _LATER_DELAY_US
    policy = batching.default_queue_policy
    policy.timeout_action = triton.ModelQueuePolicy.REJECT
    policy.default_timeout_microseconds = _TIMEOUT_US
    policy.allow_timeout_override = True
    remarks = [
        "A request waits a moment for others to make a batch with."
        if is_first
        else "Requests that were one batch before come together, and are one again."
    ]
    # One of two steps of an ensemble that run at once must not find its queue full: Triton ends
    # with SIGSEGV (triton-inference-server/core, pull request 483, of 2026) or never answers again
    # (466, 470).  Seen with 2.51.
    if not graph.is_paired:
        policy.max_queue_size = _MAX_QUEUE_SIZE
        remarks.append("One that finds the queue full is rejected.")
    remarks += [
        "One that waited past its timeout (its own, if that is shorter) is rejected:",
        "timeout_action is REJECT, its default.",
    ]
    return "\n".join(remarks), config


def _warmup(graph: Graph) -> _Section:
    config = triton.ModelConfig()
    for batch in _WARM_BATCHES:
        sample = config.model_warmup.add(name=f"batch of {batch}", batch_size=batch)
        for port in graph.inputs:
            given = sample.inputs[port.name]
            given.data_type, given.zero_data = _DTYPES[port.dtype], True
            given.dims.extend(port.dims)
    return "The first requests find memory and kernels ready.", config


def _text(*sections: _Section) -> str:
    """The sections as one file that protobuf reads as one message."""
    return "\n".join(
        "".join(f"# {line}\n" for line in remark.splitlines())
        + text_format.MessageToString(config, use_short_repeated_primitives=True)
        for remark, config in sections
    )
