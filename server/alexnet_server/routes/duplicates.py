"""GET /duplicates: pairs of stored pictures that are nearly the same, a page at a time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from alexnet_server.arrival import this_call
from alexnet_server.call import Call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import BadParameter
from alexnet_server.index import Index
from alexnet_server.index.records import Pair
from alexnet_server.parameters import Parameters
from alexnet_server.served import Served

_LIMIT = 100
_MAX_LIMIT = 1000
_STEP = 16  # pictures between two looks at the clock
_MOST_PAIRS = 10_000  # of an answer, before it ends


def blueprint(served: Served) -> Blueprint:
    """The endpoint that compares the stored pictures with each other."""
    routes = Blueprint("duplicates", __name__)

    @routes.get("/duplicates")
    def duplicates() -> ResponseReturnValue:
        parameters = Parameters(request.args, ("max_distance", "cursor", "limit"))
        max_distance = parameters.distance("max_distance")
        if max_distance is None:
            raise BadParameter("max_distance is needed: how far apart two pictures may be")
        after = parameters.text("cursor") or ""
        limit = parameters.integer("limit", _LIMIT, 1, _MAX_LIMIT)
        call = this_call()

        def work(deployed: Deployed) -> dict[str, Any]:
            with call.span("search"):
                found = _pairs(deployed.pictures(), call, after, limit, max_distance)
            return {"model": deployed.model()} | found

        return served.answer(call, work)

    return routes


def _pairs(index: Index, call: Call, after: str, limit: int, max_distance: float) -> dict[str, Any]:
    """The pairs of up to ``limit`` pictures; of fewer once half of the time is gone."""
    pairs: list[Pair] = []
    compared = 0
    reached: str | None = after
    while reached is not None and compared < limit:
        page = index.page(reached, min(_STEP, limit - compared))
        count = len(page.pictures)
        if not count:
            reached = None
            break
        found, reached = index.pairs(reached, count, max_distance, call.require_wanted)
        pairs += found
        compared += count
        if call.left_s() < call.timeout_s / 2 or len(pairs) > _MOST_PAIRS:
            break
    return {
        "pairs": [asdict(pair) for pair in pairs],
        "compared": compared,
        "next_cursor": reached,
        "count": page.count,
    }
