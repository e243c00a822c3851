"""/model, /livez, /readyz, /openapi.json and the page: what this server is and whether it works."""

from __future__ import annotations

import json
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request, send_from_directory
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import BadRequest, RequestError
from alexnet_server.parameters import Parameters
from alexnet_server.problem import problem
from alexnet_server.served import Served

_PAGE_SUFFIXES = (".css", ".js", ".svg")
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
        return served.answer(this_call(), _card) | {"next": served.deploys.next()}

    @routes.get("/livez")
    def livez() -> ResponseReturnValue:
        Parameters(request.args, ())
        return {"status": "alive"}

    @routes.get("/readyz")
    def readyz() -> ResponseReturnValue:
        Parameters(request.args, ())
        with served.deploys.hold() as deployed:
            if deployed.engine.ready():
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
        response = _page_file("index.html")
        response.headers["Content-Security-Policy"] = _PAGE_POLICY
        return response

    @routes.get("/page/<name>")
    def page_file(name: str) -> ResponseReturnValue:
        if not name.endswith(_PAGE_SUFFIXES):
            raise NotFound
        return _page_file(name)

    return routes


def _page_file(name: str) -> Response:
    try:
        return send_from_directory(Path(__file__).parents[1] / "page", name)
    except OverflowError as error:  # Werkzeug's, on a date header past the year 9999
        raise BadRequest("a date in the headers is none") from error


def _card(deployed: Deployed) -> dict[str, Any]:
    manifest = deployed.repository.manifest
    shown = ("dialect", "layout", "precision", "classes", "about", "metrics")
    return (
        deployed.model()
        | {key: manifest[key] for key in shown}
        | deployed.engine.describe()
        | {"index": _index(deployed)}
    )


def _index(deployed: Deployed) -> dict[str, object]:
    index = deployed.index
    if isinstance(index, RequestError):
        return {"pictures": None, "error": index.code}
    return {"pictures": index.count(), "metric": index.binding.metric}
