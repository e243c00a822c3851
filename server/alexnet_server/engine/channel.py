"""One gRPC channel to a Triton: a deadline on every call, and a breaker before it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from alexnet_server.engine.breaker import Breaker, Turn
from alexnet_server.errors import (
    BackendFailed,
    BackendUnavailable,
    DeadlineExceeded,
    Overloaded,
    RequestError,
    VersionGone,
)

_CONNECT_MS = 500
_POLL_S = 1.0
_OPTIONS = (
    # 64 views are 9.6 MB of pixels (of 227 a side, 9.9); gRPC's own limit is 4 MB. What may be sent
    # is limited above.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC waits up to 2 minutes before it looks whether a server is back, and 30 s for its address.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),  # how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", _CONNECT_MS),
    ("grpc.dns_min_time_between_resolutions_ms", _CONNECT_MS),
    ("grpc.enable_http_proxy", 0),  # pixels go to the named host and nowhere else
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
    # What Triton says must arrive as it was said: a queue that is full is not asked twice.
    ("grpc.enable_retries", 0),
)
# Triton tells these apart by their text alone; all are UNAVAILABLE.
_QUEUE_TEXTS = ("maximum queue size", "timeout expired")
_VERSION_TEXTS = ("unknown model", "not at ready state", "no available versions")
# Of the time that a request has: one that has spent more elsewhere says nothing of Triton.
_FAIR_SHARE = 0.5
_LATE = "too little of the request's time was left for the model's backend: send it again later"
_AWAY = "the model's backend does not answer, or not in time: send the request again later"
_log = logging.getLogger(__name__)


class Triton:
    """A Triton at ``target`` (``HOST:PORT``); safe to call from many threads.

    ``outages`` grows with every failure to reach it: whoever reconnects may find another process
    there.  ``lost`` is set at each of them, for a thread that waits for something to do.
    ``losses`` counts only the first after an answer: it is what an operator calls an outage.
    """

    def __init__(self, target: str, timeout_s: float) -> None:
        """Connect in the background: nothing need be there yet."""
        self.timeout_s = timeout_s
        self.outages = 0
        self.losses = 0
        self.lost = threading.Event()
        self._target = f"dns:///{target}"  # "unix:1" would be a socket file
        self._breaker = Breaker()
        self._fair_s = _FAIR_SHARE * timeout_s
        self._said = ""
        self._has_answered = False
        self._lock = threading.Lock()  # guards outages, losses, _channel, _stub and _follow
        self._connect()

    def infer(
        self,
        request: service_pb2.ModelInferRequest,
        timeout_s: float,
        traceparent: str | None = None,
    ) -> service_pb2.ModelInferResponse:
        """Ask; the answer comes within ``timeout_s`` seconds, or one of these is raised.

        ``traceparent`` (W3C Trace Context) goes along, for Triton's own traces.

        BackendUnavailable where there is no answer in time, DeadlineExceeded where there was too
        little of it, VersionGone, Overloaded, or BackendFailed where Triton had the request and
        failed.
        """
        if timeout_s <= 0:
            raise DeadlineExceeded(_LATE)
        turn = self._breaker.enter()
        if turn is Turn.REFUSED:
            raise BackendUnavailable(_AWAY)
        is_alive: bool | None = False
        passed_on = None if traceparent is None else (("traceparent", traceparent),)
        try:
            answer = self._stub.ModelInfer(request, timeout=timeout_s, metadata=passed_on)
            is_alive = self._has_answered = True
            self._said = ""
        except grpc.RpcError as error:
            code = error.code()
            if code is grpc.StatusCode.DEADLINE_EXCEEDED and timeout_s < self._fair_s:
                is_alive = None
                raise DeadlineExceeded(_LATE) from None
            refusal = _refusal(error)
            is_alive = type(refusal) is not BackendUnavailable
            if not is_alive:
                self._tell(error)
                if code is grpc.StatusCode.UNAVAILABLE:
                    self._count_outage()
            raise refusal from None
        finally:
            if self._breaker.leave(turn, succeeded=is_alive):
                self._begin_again()
        return answer

    def close(self) -> None:
        """Close the connection, once no call can be under way any more."""
        with self._lock:
            self._retire()

    def _tell(self, error: grpc.RpcError) -> None:
        said = f"{error.code().name}: {error.details()!r:.300}"
        if said != self._said:  # not once a request while Triton is away
            self._said = said
            _log.warning("Triton does not answer: %s", said)

    def _connect(self) -> None:
        self._follow = _lost_connections(self._count_outage)
        self._channel = grpc.insecure_channel(self._target, _OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._channel.subscribe(self._follow, try_to_connect=True)

    def _begin_again(self) -> None:
        """A new connection, because one that hangs may do so until TCP gives up (15 minutes)."""
        with self._lock:
            self._retire()
            self._connect()
        self._count_outage()

    def _retire(self) -> None:
        """Close the channel after the last deadline of a call that waits on it.

        Nor may it be closed at once: gRPC's own thread looks at its state for 0.2 s more, and
        fails loudly where it finds it closed.
        """
        self._channel.unsubscribe(self._follow)
        closing = threading.Timer(self.timeout_s + _POLL_S, self._channel.close)
        closing.daemon = True
        closing.start()

    def _count_outage(self) -> None:
        with self._lock:
            self.outages += 1
            self.losses += self._has_answered
            self._has_answered = False
        self.lost.set()


def _lost_connections(report: Callable[[], None]) -> Callable[[grpc.ChannelConnectivity], None]:
    """What calls ``report`` when a channel that was connected is no more; gRPC calls it in turn."""
    was_ready = False

    def follow(state: grpc.ChannelConnectivity) -> None:
        nonlocal was_ready
        is_ready = state is grpc.ChannelConnectivity.READY
        if was_ready and not is_ready:
            report()
        was_ready = is_ready

    return follow


def _refusal(error: grpc.RpcError) -> RequestError:
    """What an error of gRPC means to a request.  Triton's text goes to the log and no further."""
    code, text = error.code(), error.details() or ""
    if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE):
        if code is grpc.StatusCode.NOT_FOUND or any(part in text for part in _VERSION_TEXTS):
            return VersionGone("the model's backend does not have this version")
        if any(part in text for part in _QUEUE_TEXTS):
            return Overloaded(
                "the model's backend has its queue full: send the request again later"
            )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded("the model's backend has too much to do: send the request again later")
    if code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    ):
        return BackendUnavailable(_AWAY)
    _log.error("Triton answered %s: %.500r", code.name, text)
    return BackendFailed("the model's backend failed; the server's log says how")
