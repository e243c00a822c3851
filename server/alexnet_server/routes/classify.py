"""POST /classify and POST /features: what is in a picture, and its 4096 numbers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_pixels.views import VIEW_COUNTS
from alexnet_server import uploads
from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.engine import Values
from alexnet_server.parameters import Parameters
from alexnet_server.routes import embeddings, towers
from alexnet_server.routes.results import results
from alexnet_server.served import Served
from alexnet_server.sight import Seen, look
from alexnet_server.uploads import Upload

_TOP_K = 5
_MAX_TOP_K = 1000
_NPY = "application/x-npy"


def blueprint(served: Served) -> Blueprint:
    """The endpoints that ask the network alone."""
    routes = Blueprint("classify", __name__)

    @routes.post("/classify")
    def classify() -> ResponseReturnValue:
        parameters = Parameters(request.args, ("top_k", "views", "features"))
        top_k = parameters.integer("top_k", _TOP_K, 1, _MAX_TOP_K)
        has_features = parameters.word("features", "none", ("none", "base64")) == "base64"
        given, count = _given(served, parameters)

        def work(deployed: Deployed) -> ResponseReturnValue:
            classes = deployed.repository.classes

            def shown(one: Seen) -> dict[str, Any]:
                found: dict[str, Any] = {
                    "predictions": predictions(one.probabilities, classes, top_k)
                }
                if has_features:
                    found["features"] = embeddings.in_base64(one.features)
                return found

            seen = look(served, deployed, this_call(), given, count)
            return results(deployed, given, seen, shown)

        return served.answer(this_call(), work)

    @routes.post("/features")
    def features() -> ResponseReturnValue:
        parameters = Parameters(request.args, ("views",))
        given, count = _given(served, parameters)
        is_npy = request.accept_mimetypes.best_match(("application/json", _NPY)) == _NPY

        def work(deployed: Deployed) -> ResponseReturnValue:
            seen = look(served, deployed, this_call(), given, count)
            if is_npy:
                return _npy(seen)
            return results(deployed, given, seen, lambda one: {"features": one.features.tolist()})

        return served.answer(this_call(), work)

    embeddings.register(routes, served)
    towers.register(routes, served)
    return routes


def predictions(
    probabilities: Values, classes: tuple[str, ...], top_k: int
) -> list[dict[str, Any]]:
    """The ``top_k`` likeliest of ``probabilities`` float32 [classes], likeliest first."""
    best = np.argsort(-probabilities, kind="stable")[:top_k]
    return [
        {
            "label": classes[class_id],
            "class_id": int(class_id),
            "probability": float(probabilities[class_id]),
        }
        for class_id in best
    ]


def _given(served: Served, parameters: Parameters) -> tuple[list[Upload], int]:
    """The pictures of the request, and how many views of each are asked for."""
    count = parameters.choice("views", 1, VIEW_COUNTS)
    return uploads.read(this_call(), request, served.settings.limits, count).uploads, count


def _npy(seen: list[Seen | PictureError]) -> Response:
    """Raw features [n, 4096]; an array has no place for an error, so a bad picture is raised."""
    rows = []
    for one in seen:
        if isinstance(one, PictureError):
            raise one
        rows.append(one.features)
    body = io.BytesIO()
    np.save(body, np.stack(rows).astype("<f4"), allow_pickle=False)
    return Response(body.getvalue(), mimetype=_NPY)
