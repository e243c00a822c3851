"""Model control of a running Triton, over gRPC: every call has a deadline, every error a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from alexnet_export.errors import TritonError
from alexnet_repository.files import ENSEMBLE

STATUS_TIMEOUT_S = 10.0


class Control:
    """One Triton at ``address`` (``host:port`` of its gRPC); loads may take ``timeout_s`` each.

    Every method raises TritonError: not reachable, too slow, not allowed, or Triton's own words.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        # Model control goes to the named host, never by way of a proxy for web pages.
        self._channel = grpc.insecure_channel(address, (("grpc.enable_http_proxy", 0),))
        self._triton = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def states(self, model: str) -> dict[str, tuple[str, str]]:
        """State (``READY``, ``UNLOADING``, ...) and reason of a model's versions.

        Only of models that lie in Triton's repository: what was loaded and then removed from
        there is served on, but not listed.
        """
        request = service_pb2.RepositoryIndexRequest()
        index = self._call(self._triton.RepositoryIndex, request, STATUS_TIMEOUT_S)
        return {
            entry.version: (entry.state, entry.reason)
            for entry in index.models
            if entry.name == model
        }

    def is_ready(self, model: str, version: str = "") -> bool:
        """Whether a version of a model answers; without ``version``, whether any does."""
        request = service_pb2.ModelReadyRequest(name=model, version=version)
        return bool(self._call(self._triton.ModelReady, request, STATUS_TIMEOUT_S).ready)

    def config(self, model: str) -> model_config_pb2.ModelConfig:
        """The configuration that a loaded model has."""
        request = service_pb2.ModelConfigRequest(name=model)
        return self._call(self._triton.ModelConfig, request, STATUS_TIMEOUT_S).config

    def load(self, model: str) -> None:
        """Load a model, or load it anew, from the repository; an ensemble brings its parts."""
        request = service_pb2.RepositoryModelLoadRequest(model_name=model)
        self._load(request)

    def load_as(
        self, model: str, config: model_config_pb2.ModelConfig, files: Mapping[str, bytes]
    ) -> None:
        """Load a model with another configuration and other files than the repository has.

        ``files`` are named by their path in the model's folder.
        """
        request = service_pb2.RepositoryModelLoadRequest(model_name=model)
        text = json_format.MessageToJson(config, preserving_proto_field_name=True)
        request.parameters["config"].string_param = text
        for name, content in files.items():
            request.parameters[f"file:{name}"].bytes_param = content
        self._load(request)

    def unload(self, model: str) -> None:
        """Unload every version of a model; of one that is not loaded, nothing happens."""
        request = service_pb2.RepositoryModelUnloadRequest(model_name=model)
        self._call(self._triton.RepositoryModelUnload, request, self._timeout_s)

    def answers(
        self, images: npt.NDArray[np.uint8], version: str
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """``features`` [n, 4096] and ``probabilities`` [n, C] of ``images`` [n, side, side, 3]."""
        request = service_pb2.ModelInferRequest(model_name=ENSEMBLE, model_version=version)
        request.inputs.add(name="images", datatype="UINT8", shape=images.shape)
        request.raw_input_contents.append(images.tobytes())
        answer = self._call(self._triton.ModelInfer, request, self._timeout_s)
        try:
            found = {
                output.name: np.frombuffer(content, np.float32).reshape(output.shape)
                for output, content in zip(answer.outputs, answer.raw_output_contents, strict=True)
            }
            return found["features"], found["probabilities"]
        except (KeyError, ValueError) as error:
            raise TritonError(
                f"Triton at {self.address} gave a malformed answer: {error}"
            ) from error

    def _load(self, request: service_pb2.RepositoryModelLoadRequest) -> None:
        after = (
            "; a load it began goes on: look at its messages, then run this again, with a longer "
            "--timeout"
        )
        self._call(self._triton.RepositoryModelLoad, request, self._timeout_s, after)

    def _call(
        self,
        method: Callable[..., Any],
        request: Any,  # noqa: ANN401 (generated types)
        timeout_s: float,
        if_late: str = "",
    ) -> Any:  # noqa: ANN401 (generated types)
        try:
            return method(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise TritonError(self._reason(error, timeout_s, if_late)) from error

    def _reason(self, error: grpc.RpcError, timeout_s: float, if_late: str) -> str:
        details = first_line(error.details() or "")
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"Triton at {self.address} did not answer within {timeout_s:g} s{if_late}"
        if "explicit model load / unload is not allowed" in details:
            return (
                f"Triton at {self.address} was started without model control: restart it with "
                "--model-control-mode=explicit --load-model=*"
            )
        if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in details:
            return (
                f"no Triton answers at {self.address} ({details}): is it running, and is this "
                "its gRPC port (8001, not HTTP's 8000)?"
            )
        return f"Triton at {self.address}: {details}"


def first_line(text: str) -> str:
    """What of Triton's messages is for people; a traceback follows it."""
    return text.strip().partition("\n")[0]
