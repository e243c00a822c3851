"""The network in a Triton: which version serves, its labels, and its answers to views."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from alexnet_client.errors import (
    ClientError,
    ServerFault,
    ServerUnreachable,
    Timeout,
    UnexpectedReply,
)
from alexnet_client.results import ModelRef
from alexnet_client.triton_direct.refusal import VERSION_GONE, refusal
from alexnet_pixels.square import SIDE

Views = NDArray[np.uint8]

_ENSEMBLE = "alexnet"
_MICROSECONDS = 1_000_000
_OPTIONS = [
    # 64 views are 9.6 MB or more; gRPC's own limit is 4 MB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC waits up to 2 minutes before it looks whether a server is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),  # pixels go to the named host and nowhere else
    ("grpc.enable_retries", 0),  # whoever asks does the waiting
]


@dataclass(frozen=True)
class Answer:
    """``probabilities`` float32 [n, C] of ``labels``; ``features`` float32 [n, units] if asked.

    ``digest`` is that of the model.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32] | None
    labels: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Served:
    """One version of a model: its labels, and how many pixels a side its views have."""

    ref: ModelRef
    labels: tuple[str, ...]
    view_side: int


class Network:
    """The ensemble of the Triton at ``target``; ``url`` is what errors call it."""

    def __init__(self, target: str, url: str) -> None:
        self._target = f"dns:///{target}"  # "unix:1" would be a socket file
        self._url = url
        self._client: InferenceServerClient | None = None
        self._served: Served | None = None

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def model(self, deadline: float) -> ModelRef:
        """What is served now, by ``deadline`` (of time.monotonic()).  Raises ClientError."""
        self._served = await self._look(deadline)
        return self._served.ref

    async def served(self, deadline: float) -> Served:
        """What is asked until it is gone, by ``deadline``.  Raises ClientError."""
        served = self._served = self._served or await self._look(deadline)
        return served

    async def infer(self, served: Served, images: Views, features: bool, deadline: float) -> Answer:
        """Answers to ``images`` uint8 [n, side, side, 3], 1 <= n <= 64, by ``deadline``.

        Asked of the version ``served``, for which the views were cut: one that is gone fails, and
        the next call of ``served`` looks for another.  Raises ClientError.
        """
        outputs = [InferRequestedOutput("probabilities")]
        if features:
            outputs.append(InferRequestedOutput("features"))
        try:
            result = await self._infer(images, outputs, served.ref.version, deadline)
        except ClientError as error:
            if error.code == VERSION_GONE or isinstance(error, ServerUnreachable | UnexpectedReply):
                self._served = None  # who comes back may serve another, also by the same number
            raise
        return Answer(
            _values(result, "probabilities", len(images), len(served.labels)),
            _values(result, "features", len(images), None) if features else None,
            served.labels,
            served.ref.digest,
        )

    async def _look(self, deadline: float) -> Served:
        about = await self._ask("get_model_metadata", deadline)
        version = max(about.versions, key=int, default="")
        config = (await self._ask("get_model_config", deadline, model_version=version)).config
        told = config.parameters["digest"].string_value if "digest" in config.parameters else ""
        classes = {output.name: tuple(output.dims) for output in config.output}
        if "features" not in classes or len(classes.get("probabilities", ())) != 1:
            raise _foreign(f"the model {_ENSEMBLE!r} has no outputs features and probabilities")
        side = _view_side([tuple(port.dims) for port in config.input if port.name == "images"])
        # Last, and of that version: its answer says that the version was there all the while.
        (count,) = classes["probabilities"]
        labels = await self._labels(count, side, version, deadline)
        return Served(ModelRef(about.name, version, told or f"version:{version}"), labels, side)

    async def _labels(
        self, count: int, side: int, version: str, deadline: float
    ) -> tuple[str, ...]:
        """All labels, of the answer to a black view (Triton's classification extension)."""
        output = InferRequestedOutput("probabilities", class_count=count)
        black = np.zeros((1, side, side, 3), np.uint8)
        result = await self._infer(black, [output], version, deadline)
        found = result.as_numpy("probabilities")
        # Each is b"value:index:label"; a label may hold colons.
        entries = [] if found is None else [entry.split(b":", 2) for entry in found.reshape(-1)]
        labels = {int(entry[1]): entry[2].decode() for entry in entries if len(entry) == 3}
        if not labels or sorted(labels) != list(range(count)):
            raise _foreign(f"it names {len(labels)} of {count} labels (labels.txt is not there)")
        return tuple(labels[class_id] for class_id in range(count))

    async def _infer(
        self, images: Views, outputs: list[InferRequestedOutput], version: str, deadline: float
    ) -> InferResult:
        given = InferInput("images", list(images.shape), "UINT8")
        given.set_data_from_numpy(images)
        # Triton's queues give it up at the same time.
        queue_us = max(1, int((deadline - time.monotonic()) * _MICROSECONDS))
        content = {"inputs": [given], "outputs": outputs, "timeout": queue_us}
        return await self._ask("infer", deadline, model_version=version, **content)

    async def _ask(self, call: str, deadline: float, **content: Any) -> Any:  # noqa: ANN401
        """One call of NVIDIA's client on the ensemble.  Raises ClientError."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Timeout(f"no time was left to ask {self._url}", code="timeout")
        if self._client is None:  # made here, as it belongs to the event loop that runs now
            self._client = InferenceServerClient(self._target, channel_args=_OPTIONS)
        method: Callable[..., Awaitable[Any]] = getattr(self._client, call)
        try:
            return await method(_ENSEMBLE, client_timeout=left_s, **content)
        except InferenceServerException as error:
            raise refusal(self._url, error.status() or "", error.message() or "") from error


def _view_side(inputs: list[tuple[int, ...]]) -> int:
    """Pixels a side of the one input ``images``.  Raises UnexpectedReply where there is none."""
    side = inputs[0][0] if inputs and inputs[0] else 0
    if inputs != [(side, side, 3)] or not 0 < side <= SIDE:
        raise _foreign(f"the model {_ENSEMBLE!r} has no input images of [side, side, 3]")
    return side


def _values(result: InferResult, name: str, rows: int, units: int | None) -> NDArray[np.float32]:
    """One output, float32 [rows, units].  Raises ServerFault unless it is that and finite."""
    values: NDArray[np.float32] | None = result.as_numpy(name)
    shape = None if values is None else (len(values), units or values.shape[-1])
    is_right = values is not None and values.dtype == np.float32 and values.shape == shape
    if values is None or not is_right or len(values) != rows or not np.isfinite(values).all():
        raise ServerFault(
            f"Triton gave no finite float32 {name} for {rows} views", code="bad_model_output"
        )
    return values


def _foreign(reason: str) -> UnexpectedReply:
    return UnexpectedReply(
        f"this Triton serves no repository of alexnet-export: {reason}", code="unexpected_reply"
    )
