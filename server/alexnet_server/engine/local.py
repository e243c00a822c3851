"""The embedded engine: the repository's own steps, each on the device its config names."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_server.engine import Images, Inference
from alexnet_server.errors import BadModelOutput, RepositoryError
from alexnet_server.repository import ENSEMBLE, Repository

_GOLDEN_COSINE = 0.9999


@dataclass(frozen=True)
class Step:
    """One graph of the ensemble; the maps go from a graph's port to the ensemble's value."""

    model: str
    device: str
    session: Any
    input_map: dict[str, str]
    output_map: dict[str, str]


class LocalEngine:
    """Runs a repository in this process with ONNX Runtime."""

    def __init__(self, repository: Repository) -> None:
        """Load every step.

        Raises RepositoryError where a step cannot be placed or loaded, or where the known
        pictures do not give their known answers.
        """
        _require_one_runtime()
        config = repository.config(ENSEMBLE)
        self._steps = [_load(repository, step) for step in _in_data_order(config)]
        self._require_known_answers(repository)

    def infer(self, images: Images) -> Inference:
        """See Engine.  Raises BadModelOutput on NaN or infinity."""
        values: dict[str, npt.NDArray[Any]] = {"images": images}
        for step in self._steps:
            given = {port: values[value] for port, value in step.input_map.items()}
            outputs = step.session.run(list(step.output_map), given)
            values |= zip(step.output_map.values(), outputs, strict=True)
        answer = Inference(values["features"], values["probabilities"])
        if not (np.isfinite(answer.features).all() and np.isfinite(answer.probabilities).all()):
            raise BadModelOutput("the model gave NaN or infinity; nothing was stored")
        return answer

    def describe(self) -> dict[str, Any]:
        """See Engine."""
        return {"engine": "local", "steps": {step.model: step.device for step in self._steps}}

    def ready(self) -> bool:
        """See Engine: a loaded engine has answered the known pictures."""
        return True

    def _require_known_answers(self, repository: Repository) -> None:
        images, known = repository.golden()
        found = self.infer(images)
        dots = np.einsum("nf,nf->n", found.features, known.features)
        lengths = np.linalg.norm(found.features, axis=1) * np.linalg.norm(known.features, axis=1)
        same_top1 = found.probabilities.argmax(axis=1) == known.probabilities.argmax(axis=1)
        if not (same_top1.all() and (dots >= _GOLDEN_COSINE * lengths).all()):
            raise RepositoryError(
                f"the model in {repository.root} does not give its known answers on this machine: "
                "deploy again"
            )


def _require_one_runtime() -> None:
    found = {"onnxruntime", "onnxruntime-gpu"} & {
        (distribution.name or "").lower() for distribution in metadata.distributions()
    }
    if len(found) > 1:
        raise RepositoryError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: "
            "uninstall both, then install alexnet-server[serve] or [serve-gpu]"
        )


def _in_data_order(config: triton.ModelConfig) -> list[Any]:
    steps = {step.model_name: step for step in config.ensemble_scheduling.step}
    maker = {value: name for name, step in steps.items() for value in step.output_map.values()}
    needs = {
        name: {maker[value] for value in step.input_map.values() if value in maker}
        for name, step in steps.items()
    }
    return [steps[name] for name in TopologicalSorter(needs).static_order()]


def _load(repository: Repository, step: Any) -> Step:  # noqa: ANN401 (a protobuf message)
    config = repository.config(step.model_name)
    device = _device(config)
    path = repository.root / step.model_name / str(step.model_version) / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings are about its own optimisations
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[_provider(device)])
    except Exception as error:  # onnxruntime's exceptions share no narrower root
        raise RepositoryError(f"{path} cannot be loaded: {error}") from error
    return Step(step.model_name, device, session, dict(step.input_map), dict(step.output_map))


def _device(config: triton.ModelConfig) -> str:
    group = config.instance_group[0]
    if group.kind == triton.ModelInstanceGroup.KIND_CPU:
        return "cpu"
    return f"cuda:{group.gpus[0]}"


def _provider(device: str) -> str | tuple[str, dict[str, str]]:
    if device == "cpu":
        return "CPUExecutionProvider"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise RepositoryError(
            f"the repository places a step on {device}, but this onnxruntime has no CUDA: install "
            "alexnet-server[serve-gpu] in place of [serve], or deploy with --devices cpu"
        )
    return ("CUDAExecutionProvider", {"device_id": device.removeprefix("cuda:")})
