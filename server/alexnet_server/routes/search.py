"""POST /search and GET /images/{id}/similar: the stored pictures nearest to one."""

from __future__ import annotations

from typing import Any

import numpy as np
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_pixels.views import VIEW_COUNTS
from alexnet_server import uploads
from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.engine import Values
from alexnet_server.errors import BadRequest, TooManyPictures
from alexnet_server.index.records import Neighbor
from alexnet_server.parameters import Parameters, identifier, json_body
from alexnet_server.problem import picture_error, picture_problem
from alexnet_server.served import Served
from alexnet_server.settings import Limits
from alexnet_server.sight import look

_K = 10
_MAX_FEATURE = 1e15  # its square, 4096 times, is still a float32
_FILTERS = ("k", "exact", "label", "max_distance", "where")


def blueprint(served: Served) -> Blueprint:
    """The endpoints that compare features."""
    routes = Blueprint("search", __name__)

    @routes.post("/search")
    def search() -> ResponseReturnValue:
        if request.mimetype == "application/json":
            return served.answer(this_call(), lambda deployed: _search_features(served, deployed))
        return _search_pictures(served)

    @routes.get("/images/<picture_id>/similar")
    def similar(picture_id: str) -> ResponseReturnValue:
        wanted = _wanted(served, Parameters(request.args, _FILTERS))
        picture_id = identifier(picture_id)

        def work(deployed: Deployed) -> ResponseReturnValue:
            index = deployed.pictures()
            with this_call().span("search"):
                found = index.search(index.features(picture_id), excluding=picture_id, **wanted)
            how = _how(deployed, wanted["exact"])
            return {"model": deployed.model(), "search": how, "neighbors": _show(found)}

        return served.answer(this_call(), work)

    return routes


def _search_features(served: Served, deployed: Deployed) -> ResponseReturnValue:
    wanted = _wanted(served, Parameters(request.args, _FILTERS))
    features = _given_features(served.settings.limits, deployed.pictures().binding.units)
    with this_call().span("search"):
        found = deployed.pictures().search(features, **wanted)
    results: list[dict[str, Any]] = [{"filename": None, "neighbors": _show(found)}]
    return _answer(deployed, wanted, results)


def _search_pictures(served: Served) -> ResponseReturnValue:
    parameters = Parameters(request.args, (*_FILTERS, "views"))
    wanted = _wanted(served, parameters)
    stored = served.answer(this_call(), lambda deployed: deployed.pictures().binding.views)
    count = parameters.choice("views", stored, VIEW_COUNTS)
    given = uploads.read(this_call(), request, served.settings.limits, count).uploads
    _require_few(len(given), wanted["k"], served.settings.limits.max_neighbors)

    def work(deployed: Deployed) -> ResponseReturnValue:
        seen = look(served, deployed, this_call(), given, count)
        if len(seen) == 1 and isinstance(seen[0], PictureError):
            return picture_problem(seen[0])
        results = []
        for upload, one in zip(given, seen, strict=True):
            result: dict[str, Any] = {"filename": upload.filename}
            if isinstance(one, PictureError):
                result["error"] = picture_error(one)
            else:
                this_call().require_wanted()
                with this_call().span("search"):
                    found = deployed.pictures().search(one.features, **wanted)
                result["neighbors"] = _show(found)
            results.append(result)
        return _answer(deployed, wanted, results)

    return served.answer(this_call(), work)


def _answer(
    deployed: Deployed, wanted: dict[str, Any], results: list[dict[str, Any]]
) -> dict[str, Any]:
    how = _how(deployed, wanted["exact"])
    return {"model": deployed.model(), "search": how, "results": results}


def _how(deployed: Deployed, exact: bool) -> dict[str, Any]:
    """The metric, and whether every picture was compared, few or many as there are."""
    index = deployed.pictures()
    return {
        "metric": index.binding.metric,
        "exact": exact or index.describe()["coder"] is None,
    }


def _require_few(pictures: int, k: int, max_neighbors: int) -> None:
    # Each may have 16 KiB of metadata, and all of them are one answer.
    if pictures * k > max_neighbors:
        raise TooManyPictures(
            f"{pictures} pictures with k={k} are {pictures * k:,} neighbours; an answer holds at "
            f"most {max_neighbors:,}: send k={max_neighbors // pictures} or less, or at most "
            f"{max_neighbors // k} pictures at a time"
        )


def _wanted(served: Served, parameters: Parameters) -> dict[str, Any]:
    return {
        "k": parameters.integer("k", _K, 1, served.settings.limits.max_k),
        "exact": parameters.truth("exact", default=False),
        "where": parameters.where(),
        "max_distance": parameters.distance("max_distance"),
        "require_wanted": this_call().require_wanted,
    }


def _given_features(limits: Limits, units: int) -> Values:
    body = json_body(request, limits.max_json_bytes)
    given = body.get("features")
    if body.keys() != {"features"} or not isinstance(given, list) or len(given) != units:
        raise BadRequest(f'the body must be {{"features": [{units} numbers]}}')
    # bool is an int to Python, but not a number to JSON.
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        raise BadRequest("features must be numbers")
    if not all(abs(value) <= _MAX_FEATURE for value in given):
        raise BadRequest(f"features must lie between -{_MAX_FEATURE:g} and {_MAX_FEATURE:g}")
    return np.array(given, np.float32)


def _show(found: list[Neighbor]) -> list[dict[str, Any]]:
    return [
        {
            "id": neighbor.id,
            "distance": neighbor.distance,
            "label": neighbor.label,
            "metadata": neighbor.metadata,
        }
        for neighbor in found
    ]
