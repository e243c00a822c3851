"""/model, /livez, /readyz, /openapi.json and the page: what this server is and whether it works."""

from __future__ import annotations

import json
from importlib import metadata, resources
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue

from alexnet_server.errors import RequestError
from alexnet_server.parameters import Parameters
from alexnet_server.problem import problem
from alexnet_server.served import Served

# The page loads nothing from elsewhere and runs no script but its own file.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def blueprint(served: Served) -> Blueprint:
    """The endpoints that speak of the server itself."""
    routes = Blueprint("about", __name__)

    @routes.get("/model")
    def model() -> ResponseReturnValue:
        Parameters(request.args, ())
        manifest = served.repository.manifest
        shown = ("dialect", "layout", "precision", "classes", "about", "metrics")
        return (
            served.model()
            | {key: manifest[key] for key in shown}
            | served.engine.describe()
            | {"index": _index(served)}
        )

    @routes.get("/livez")
    def livez() -> ResponseReturnValue:
        Parameters(request.args, ())
        return {"status": "alive"}

    @routes.get("/readyz")
    def readyz() -> ResponseReturnValue:
        Parameters(request.args, ())
        if served.engine.ready():
            return {"status": "ready"}
        return problem(503, "not_ready", "Not ready", "the engine does not answer yet")

    @routes.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        Parameters(request.args, ())
        text = resources.files("alexnet_server").joinpath("openapi.json").read_text()
        document: dict[str, Any] = json.loads(text)
        document["info"]["version"] = metadata.version("alexnet-server")
        return document

    @routes.get("/")
    def page() -> ResponseReturnValue:
        response: Response = current_app.send_static_file("index.html")
        response.headers["Content-Security-Policy"] = _PAGE_POLICY
        return response

    return routes


def _index(served: Served) -> dict[str, object]:
    if isinstance(served.index, RequestError):
        return {"pictures": None, "error": served.index.code}
    return {"pictures": served.index.count(), "metric": served.index.binding.metric}
