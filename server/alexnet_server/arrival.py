"""A request comes and goes: named, let in or refused, timed, and told to whoever observes."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flask import Flask, Request, Response, g, request

from alexnet_server.admission import Gate
from alexnet_server.call import Call
from alexnet_server.served import Served

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# W3C Trace Context, section 3.2: version, trace-id, parent-id, flags; none of all zeros, no ff.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_LOOKING = ("GET", "HEAD", "OPTIONS")
_UNGATED = ("about",)  # what must be answered at all times
ADMISSION = "alexnet.admission"  # the place in the WSGI environment of one given at the door


@dataclass(frozen=True)
class Outcome:
    """How a request ended.

    ``route`` is the rule and never the path, which may hold ids; ``code`` the problem's code, ""
    where there is none; ``peer`` the address that the connection came from.
    """

    method: str
    route: str
    status: int
    code: str
    seconds: float
    peer: str


Observer = Callable[[Call, Outcome], None]


def register(app: Flask, served: Served, observers: tuple[Observer, ...]) -> None:
    """Have every request of ``app`` come and go this way; ``observers`` hear of each."""

    @app.before_request
    def _come() -> None:
        is_gone = request.environ.get("waitress.client_disconnected", bool)
        g.call = call = named(
            lambda name: request.headers.get(name, ""),
            served.settings.request_timeout_s,
            lambda: not is_gone(),
        )
        g.code = ""
        served.access.require(request)
        call.admission = request.environ.get(ADMISSION)  # it may have come in by the door
        gate = _gate(served, request)
        if gate is not None:
            call.admission = call.admission or gate.enter()
            call.facts["in_flight"] = gate.requests

    @app.after_request
    def _go(response: Response) -> Response:
        call: Call = g.call
        seconds = time.monotonic() - call.began_s
        response.headers["X-Request-Id"] = call.request_id
        response.headers["Server-Timing"] = server_timing(call, seconds)
        route = "unmatched" if request.url_rule is None else request.url_rule.rule
        outcome = Outcome(
            method=request.method,
            route=route,
            status=response.status_code,
            code=g.code,
            seconds=seconds,
            peer=request.remote_addr or "",
        )
        for observe in observers:
            observe(call, outcome)
        return response

    @app.teardown_request
    def _leave(_error: BaseException | None) -> None:
        admission = g.call.admission if "call" in g else None
        if admission is not None:
            admission.leave()


def this_call() -> Call:
    """The Call of the request that this thread serves."""
    call: Call = g.call
    return call


def named(
    header: Callable[[str], str], timeout_s: float, is_connected: Callable[[], bool] = lambda: True
) -> Call:
    """The Call of a request; ``header`` gives what it has under a name, "" where there is none."""
    asked, sent = header("X-Request-Id"), header("Traceparent")
    return Call(
        timeout_s=timeout_s,
        request_id=asked if _REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex,
        traceparent=sent if _TRACEPARENT.fullmatch(sent) else None,
        is_connected=is_connected,
    )


def gated(app: Flask) -> Iterator[str]:
    """The paths of ``app`` to which a POST needs a place at the gate of the work."""
    for rule in app.url_map.iter_rules():
        is_asked = "POST" in (rule.methods or ()) and not rule.arguments
        if is_asked and rule.endpoint.partition(".")[0] not in _UNGATED:
            yield rule.rule


def _gate(served: Served, request: Request) -> Gate | None:
    """The gate before an endpoint; none before those that must answer at all times."""
    if request.endpoint == "about.model":
        return served.reading
    if request.blueprint is None or request.blueprint in _UNGATED:
        return None
    is_reading = request.blueprint == "images" and request.method in _LOOKING
    return served.reading if is_reading else served.work


def server_timing(call: Call, seconds: float) -> str:
    """The header Server-Timing (W3C Server Timing, section 3), in milliseconds."""
    spans = call.spans_s | {"total": seconds}
    return ", ".join(f"{name};dur={1000 * spent:.1f}" for name, spent in spans.items())
