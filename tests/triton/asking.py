"""Requests to a Triton over one gRPC channel that many threads share, and what they should get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import onnxruntime
from tritonclient.grpc import service_pb2, service_pb2_grpc

from alexnet_repository.files import ENSEMBLE
from alexnet_repository.repository import open_repository
from tests.photos import crops

CALL_LIMIT_S = 60


@dataclass(frozen=True)
class Answer:
    version: str
    features: np.ndarray
    probabilities: np.ndarray

    def is_of(self, known: Answer, *rows: int) -> bool:
        """Whether it is what the graphs in process say: to 1e-5 of the largest feature."""
        chosen = list(rows) or slice(None)
        differences = (
            np.abs(self.features - known.features[chosen]).max() / known.features.max(),
            np.abs(self.probabilities - known.probabilities[chosen]).max(),
        )
        return max(differences) <= 1e-5


class Caller:
    """The raw stubs, which are thread-safe; InferenceServerClient is not."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.triton = service_pb2_grpc.GRPCInferenceServiceStub(channel)

    def ask(self, images: np.ndarray, **names: str) -> Answer:
        return answer(self.triton.ModelInfer(request(images, **names), timeout=CALL_LIMIT_S))

    def begin(self, images: np.ndarray, **names: str) -> grpc.Future:
        return self.triton.ModelInfer.future(request(images, **names), timeout=CALL_LIMIT_S)

    def is_ready(self, model: str) -> bool:
        asked = service_pb2.ModelReadyRequest(name=model)
        return self.triton.ModelReady(asked, timeout=CALL_LIMIT_S).ready

    def executions(self) -> dict[str, tuple[int, int]]:
        """``execution_count`` and ``inference_count`` of each model, since the start."""
        asked = service_pb2.ModelStatisticsRequest()
        found = self.triton.ModelStatistics(asked, timeout=CALL_LIMIT_S).model_stats
        return {each.name: (each.execution_count, each.inference_count) for each in found}


def request(
    images: np.ndarray, model: str = ENSEMBLE, version: str = "", datatype: str = "UINT8"
) -> service_pb2.ModelInferRequest:
    made = service_pb2.ModelInferRequest(model_name=model, model_version=version)
    made.inputs.add(name="images", datatype=datatype, shape=images.shape)
    made.raw_input_contents.append(images.tobytes())
    return made


def answer(response: service_pb2.ModelInferResponse) -> Answer:
    found = {
        output.name: np.frombuffer(content, np.float32).reshape(output.shape)
        for output, content in zip(response.outputs, response.raw_output_contents, strict=True)
    }
    return Answer(response.model_version, found["features"], found["probabilities"])


def views(count: int, seed: int = 0) -> np.ndarray:
    """Photos' centres, uint8 [count, 224, 224, 3], no two alike."""
    return np.ascontiguousarray(crops(count, seed)[:, 16:240, 16:240])


def in_process(root: Path, images: np.ndarray) -> Answer:
    """The same graphs, run one after the other here."""
    repository = open_repository(root)
    values = {"images": images}
    for step in repository.steps():
        session = onnxruntime.InferenceSession(repository.graph(step))
        outputs = list(step.outputs)
        answers = session.run(outputs, {port: values[name] for port, name in step.inputs.items()})
        values |= {step.outputs[port]: rows for port, rows in zip(outputs, answers, strict=True)}
    return Answer(repository.version, values["features"], values["probabilities"])
