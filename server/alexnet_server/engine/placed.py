"""A step of the ensemble on its device: OpenVINO runs it on the processor, ONNX Runtime on GPUs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from alexnet_repository.errors import RepositoryError
from alexnet_repository.repository import Repository
from alexnet_repository.steps import Step
from alexnet_server.engine.joined import join
from alexnet_server.engine.value import HOST, Traffic, Value, ort_device
from alexnet_server.errors import EngineError
from alexnet_server.host_graph import HostGraph, read_graph

Provider = tuple[str, dict[str, str]]
CUDA = "CUDAExecutionProvider"


class PlacedStep(Protocol):
    """One graph of the ensemble where it runs."""

    @property
    def step(self) -> Step:
        """What it is in the ensemble."""

    def run(self, values: Mapping[str, Value], traffic: Traffic) -> dict[str, Value]:
        """The step's outputs, left on its device; inputs that are elsewhere are copied there."""


@dataclass(frozen=True)
class HostStep:
    """A step on the processor."""

    step: Step
    graph: HostGraph

    def run(self, values: Mapping[str, Value], traffic: Traffic) -> dict[str, Value]:
        """See PlacedStep."""
        inputs = {port: values[name].on(HOST) for port, name in self.step.inputs.items()}
        made = self.graph.run(inputs, self.step.outputs)
        return {
            name: Value(name, HOST, made[port], traffic) for port, name in self.step.outputs.items()
        }


@dataclass(frozen=True)
class GpuStep:
    """A step on a GPU, and the session that runs it there."""

    step: Step
    session: Any

    def run(self, values: Mapping[str, Value], traffic: Traffic) -> dict[str, Value]:
        """See PlacedStep."""
        device = self.step.device
        binding = self.session.io_binding()
        for port, name in self.step.inputs.items():
            binding.bind_ortvalue_input(port, values[name].on(device))
        for port in self.step.outputs:
            binding.bind_output(port, *ort_device(device))
        self.session.run_with_iobinding(binding)
        tensors = binding.get_outputs()
        return {
            name: Value(name, device, tensor, traffic)
            for name, tensor in zip(self.step.outputs.values(), tensors, strict=True)
        }


def place(repository: Repository, step: Step) -> PlacedStep:
    """Load the graph of a step on the device that it names.

    Raises EngineError where this machine has no such device or nothing to run it with,
    RepositoryError where the graph cannot be loaded.
    """
    if step.device != HOST:
        return GpuStep(step, _session(repository.graph(step), step))
    return _on_host(step, lambda: read_graph(repository.graph(step)))


def place_joined(repository: Repository, steps: Iterable[Step], whole: Step) -> PlacedStep:
    """Load ``steps``, given in the order of the data, as one on the processor; raises as above."""
    return _on_host(whole, lambda: join(repository, steps, whole))


def _on_host(step: Step, read: Callable[[], Any]) -> HostStep:
    try:
        return HostStep(step, HostGraph(read()))
    except ImportError as error:
        raise EngineError(
            f"{error}: to run a model itself the server needs alexnet-server[serve]; beside a "
            "Triton it does not"
        ) from error
    except RuntimeError as error:  # OpenVINO's only one
        raise RepositoryError(f"{step.model} cannot be loaded: {error}") from error


def _session(graph: Path, step: Step) -> Any:  # noqa: ANN401 (onnxruntime is not typed)
    provider = provider_of(step.device)
    import onnxruntime  # noqa: PLC0415 (only a server with GPUs has it)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings are about its own optimisations
    options.intra_op_num_threads = 1  # the work is on the GPU: no core is to wait spinning
    try:
        # enable_fallback=0: a failing provider is not to be replaced by the CPU.
        session = onnxruntime.InferenceSession(
            graph, options, providers=[provider], enable_fallback=0
        )
    except Exception as error:  # onnxruntime's exceptions share no narrower root
        raise _not_here(step, str(error)) from error
    if provider[0] not in session.get_providers():
        # A CUDA library that is missing is only logged, and the session then runs on the CPU.
        raise _not_here(step, "it fell back to the CPU, its log above says why")
    return session


def load_cuda() -> None:
    """Find CUDA's libraries where NVIDIA's wheels leave them, where this onnxruntime needs them.

    They lie where the loader does not look by itself.
    """
    if CUDA in _providers():
        import onnxruntime  # noqa: PLC0415 (as above)

        with redirect_stdout(sys.stderr):  # what it prints is no result
            onnxruntime.preload_dlls()


def provider_of(device: str) -> Provider:
    """The execution provider for ``cuda:N`` and its options.

    Raises EngineError where there is no ONNX Runtime, or one without CUDA.
    """
    if CUDA not in _providers():
        raise EngineError(
            f"the repository places a step on {device}, but there is no ONNX Runtime with CUDA "
            "here: install alexnet-server[serve-gpu] in place of [serve], or deploy with --devices "
            "cpu"
        )
    return CUDA, {
        "device_id": str(ort_device(device)[1]),
        # fp32 is what the manifest says; TensorFloat-32 keeps 10 bits of its 23.
        "use_tf32": "0",
        # Batches are of any size, and the default tries every algorithm anew at each of them.
        "cudnn_conv_algo_search": "HEURISTIC",
    }


def _providers() -> list[str]:
    """Those of the ONNX Runtime that is installed, if one is."""
    try:
        import onnxruntime  # noqa: PLC0415 (as above)
    except ImportError:
        return []
    return list(onnxruntime.get_available_providers())


def _not_here(step: Step, reason: str) -> EngineError:
    return EngineError(
        f"{step.model} is placed on {step.device}, which ONNX Runtime cannot use here ({reason}): "
        'install CUDA and cuDNN (pip install "onnxruntime-gpu[cuda,cudnn]") and look for the '
        "device in nvidia-smi, or deploy with --devices cpu"
    )
