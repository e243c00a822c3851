"""A fake Triton in this process, which keeps what came with each call."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.fakes.triton_v2 import FakeTriton


@dataclass(frozen=True)
class Heard:
    """The id of a request, and the metadata that came with it."""

    id: str
    metadata: dict[str, str]


@dataclass
class Ear:
    port: int = 0
    calls: list[Heard] = field(default_factory=list)


class _Listening(FakeTriton):
    def __init__(self, root: Path, ear: Ear) -> None:
        super().__init__(root)
        self._ear = ear

    def ModelInfer(
        self, request: service_pb2.ModelInferRequest, context: grpc.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        self._ear.calls.append(Heard(request.id, dict(context.invocation_metadata())))
        return super().ModelInfer(request, context)


@contextmanager
def listening(repository: Path) -> Iterator[Ear]:
    ear = Ear()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Listening(repository, ear), server)
    ear.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield ear
    finally:
        server.stop(None).wait()
