"""The embedded engine: the repository's own steps, each on the device its config names."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from alexnet_repository.errors import RepositoryError
from alexnet_repository.repository import Repository
from alexnet_repository.steps import Step, waves
from alexnet_server.engine import Images, Inference
from alexnet_server.errors import BadModelOutput, EngineError


@dataclass(frozen=True)
class LoadedStep:
    """One graph of the ensemble and what runs it."""

    step: Step
    session: Any


class LocalEngine:
    """Runs a repository in this process with ONNX Runtime."""

    def __init__(self, repository: Repository) -> None:
        """Load every step.

        Raises EngineError where a step cannot be placed here, RepositoryError where one cannot be
        loaded or the known pictures do not give their known answers.
        """
        _require_one_runtime()
        self._steps = [
            LoadedStep(step, _load(repository, step))
            for wave in waves(repository.steps())
            for step in wave
        ]
        self._require_known_answers(repository)

    def infer(self, images: Images) -> Inference:
        """See Engine.  Raises BadModelOutput on NaN or infinity."""
        values: dict[str, npt.NDArray[Any]] = {"images": images}
        for loaded in self._steps:
            step = loaded.step
            given = {port: values[value] for port, value in step.inputs.items()}
            outputs = loaded.session.run(list(step.outputs), given)
            values |= zip(step.outputs.values(), outputs, strict=True)
        answer = Inference(values["features"], values["probabilities"])
        if not (np.isfinite(answer.features).all() and np.isfinite(answer.probabilities).all()):
            raise BadModelOutput("the model gave NaN or infinity; nothing was stored")
        return answer

    def describe(self) -> dict[str, Any]:
        """See Engine."""
        steps = {loaded.step.model: loaded.step.device for loaded in self._steps}
        return {"engine": "local", "steps": steps}

    def ready(self) -> bool:
        """See Engine: a loaded engine has answered the known pictures."""
        return True

    def _require_known_answers(self, repository: Repository) -> None:
        golden = repository.golden()
        found = self.infer(golden.images)
        difference = golden.difference(found.features, found.probabilities)
        if difference:
            raise RepositoryError(
                f"the model in {repository.root} does not give its known answers on this machine "
                f"({difference}): deploy again"
            )


def _require_one_runtime() -> None:
    found = {"onnxruntime", "onnxruntime-gpu"} & {
        (distribution.name or "").lower() for distribution in metadata.distributions()
    }
    if len(found) > 1:
        raise EngineError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: "
            "uninstall both, then install alexnet-server[serve] or [serve-gpu]"
        )


def _load(repository: Repository, step: Step) -> Any:  # noqa: ANN401 (onnxruntime is not typed)
    path = repository.graph(step)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings are about its own optimisations
    try:
        return onnxruntime.InferenceSession(path, options, providers=[_provider(step.device)])
    except EngineError:
        raise
    except Exception as error:  # onnxruntime's exceptions share no narrower root
        raise RepositoryError(f"{path} cannot be loaded: {error}") from error


def _provider(device: str) -> str | tuple[str, dict[str, str]]:
    if device == "cpu":
        return "CPUExecutionProvider"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise EngineError(
            f"the repository places a step on {device}, but this onnxruntime has no CUDA: install "
            "alexnet-server[serve-gpu] in place of [serve], or deploy with --devices cpu"
        )
    return ("CUDAExecutionProvider", {"device_id": device.removeprefix("cuda:")})
