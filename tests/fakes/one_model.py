"""The gRPC side of a Triton that serves one model, in this process: what asks it straight needs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc


@dataclass
class Model(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Always sure of its first label; it takes views of one ``side`` and refuses all others."""

    version: str = "1"
    digest: str = "abc"
    labels: tuple[str, ...] = ("a:b", "c")
    probabilities: tuple[float, ...] = (1.0, 0.0)
    features: str = "features"
    side: int = 224

    def ModelMetadata(self, request, context) -> service_pb2.ModelMetadataResponse:
        return service_pb2.ModelMetadataResponse(name="alexnet", versions=[self.version])

    def ModelConfig(self, request, context) -> service_pb2.ModelConfigResponse:
        made = service_pb2.ModelConfigResponse()
        made.config.input.add(name="images", dims=[self.side, self.side, 3])
        made.config.output.add(name=self.features, dims=[4096])
        made.config.output.add(name="probabilities", dims=[len(self.probabilities)])
        if self.digest:
            made.config.parameters["digest"].string_value = self.digest
        return made

    def ModelInfer(self, request, context) -> service_pb2.ModelInferResponse:
        if request.model_version != self.version:
            context.abort(grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'alexnet'")
        if list(request.inputs[0].shape)[1:] != [self.side, self.side, 3]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape for input 'images'")
        made = service_pb2.ModelInferResponse(model_name="alexnet", model_version=self.version)
        if "classification" in request.outputs[0].parameters:
            entries = [f"0.5:{n}:{label}".encode() for n, label in enumerate(self.labels)]
            made.outputs.add(name="probabilities", datatype="BYTES", shape=[1, len(entries)])
            raw = b"".join(len(each).to_bytes(4, "little") + each for each in entries)
        else:
            rows = request.inputs[0].shape[0]
            values = np.tile(np.float32(self.probabilities), (rows, 1))
            made.outputs.add(name="probabilities", datatype="FP32", shape=values.shape)
            raw = values.tobytes()
        made.raw_output_contents.append(raw)
        return made


@contextmanager
def served(model: Model) -> Iterator[str]:
    """The URL at which ``model`` answers; it may be changed meanwhile."""
    server = grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(model, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
