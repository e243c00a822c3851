"""/model, /livez, /readyz, /openapi.json and the pages: what this server is and if it works."""

from __future__ import annotations

import json
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import RequestError
from alexnet_server.parameters import Parameters
from alexnet_server.problem import problem
from alexnet_server.readiness import unreadiness
from alexnet_server.routes import docs, files
from alexnet_server.served import Served

_PAGE = Path(__file__).parents[1] / "page"


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
        reason = unreadiness(served)
        if reason is None:
            return {"status": "ready"}
        return problem(503, "not_ready", "Not ready", reason)

    @routes.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        Parameters(request.args, ())
        text = resources.files("alexnet_server").joinpath("openapi.json").read_text()
        document: dict[str, Any] = json.loads(text)
        document["info"]["version"] = metadata.version("alexnet-server")
        return document

    @routes.get("/")
    def page() -> ResponseReturnValue:
        return files.page(_PAGE)

    @routes.get("/page/<name>")
    def page_file(name: str) -> ResponseReturnValue:
        return files.beside_page(_PAGE, name)

    @routes.get("/page/samples/<name>")
    def sample(name: str) -> ResponseReturnValue:
        return files.beside_page(_PAGE / "samples", name)

    docs.register(routes)
    return routes


def _card(deployed: Deployed) -> dict[str, Any]:
    manifest = deployed.repository.manifest
    shown = ("dialect", "layout", "precision", "classes", "about", "metrics")
    return (
        deployed.model()
        | {key: manifest[key] for key in shown}
        | ({"members": manifest["members"]} if "members" in manifest else {})
        | deployed.engine.describe()
        | {"index": _index(deployed)}
    )


def _index(deployed: Deployed) -> dict[str, Any]:
    try:
        return deployed.pictures().describe()
    except RequestError as error:
        return {"pictures": None, "error": error.code}
