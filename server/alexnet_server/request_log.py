"""One line of the log for every request: what it was, how it ended, and what took its time.

No file name, path, id, key or byte of a picture is in it: the route's rule stands for the path.
"""

from __future__ import annotations

import logging
from typing import Any

from alexnet_server.arrival import Outcome
from alexnet_server.call import Call
from alexnet_server.metrics import known_method

SLOW_S = 1.0
_PROBES = ("/livez", "/readyz")
_FACTS = ("pictures", "views", "in_flight", "batch_views")
_log = logging.getLogger(__name__)


def log_request(call: Call, outcome: Outcome) -> None:
    """Write the line of a request that has ended (an Observer); probes only at level debug."""
    if outcome.route in _PROBES:
        level = logging.DEBUG
    elif outcome.status < 500:
        level = logging.INFO
    else:  # 503 is how a server with too much to do should answer
        level = logging.WARNING if outcome.status == 503 else logging.ERROR
    if _log.isEnabledFor(level):
        _log.log(level, "request", extra={"fields": _fields(call, outcome)})


def _fields(call: Call, outcome: Outcome) -> dict[str, Any]:
    rest_s = outcome.seconds - sum(call.spans_s.values())
    fields: dict[str, Any] = {
        "request_id": call.request_id,
        # W3C Trace Context, section 3.2: version, trace-id, parent-id, flags
        "trace_id": call.traceparent.split("-")[1] if call.traceparent else None,
        "method": known_method(outcome.method),
        "route": outcome.route,
        "status": outcome.status,
        "code": outcome.code or None,
        "peer": outcome.peer,
        "ms": {"total": _ms(outcome.seconds)}
        | {stage: _ms(seconds) for stage, seconds in call.spans_s.items()}
        | {"rest": _ms(rest_s)},
        "left_ms": _ms(call.left_s()),
    }
    fields |= {name: call.facts[name] for name in _FACTS if name in call.facts}
    if outcome.seconds >= SLOW_S:
        fields["slow"] = _explained(call, rest_s)
    return fields


def _explained(call: Call, rest_s: float) -> str:
    """What took the most of a slow request's time, and what was there at that time."""
    stage, seconds = max([*call.spans_s.items(), ("rest", rest_s)], key=lambda span: span[1])
    facts = call.facts
    pictures, in_flight = facts.get("pictures", 0), facts.get("in_flight", 0)
    batch = facts.get("batch_views", 0)
    why = {
        "decode": f"decoding {pictures} pictures, or waiting for a turn to",
        "queue": f"waiting for the network, {in_flight} requests in flight when it came",
        "infer": "the network" + (f", in a pass of {batch} views" if batch else ""),
        "search": "comparing with the stored pictures",
        "store": "storing: the disk, or others that stored at the same time",
        "rest": "reading the form, writing the answer, or waiting for the processor",
    }
    return f"{_ms(seconds):,.0f} ms of it: {why.get(stage, stage)}"


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)
