"""/docs: the reference for a person, made in the browser from /openapi.json."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint
from flask.typing import ResponseReturnValue

from alexnet_server.routes import files

_FOLDER = Path(__file__).parents[1] / "docs_page"


def register(routes: Blueprint) -> None:
    """Add the page and its files to ``routes``."""

    @routes.get("/docs")
    def docs() -> ResponseReturnValue:
        return files.page(_FOLDER)

    @routes.get("/docs/<name>")
    def docs_file(name: str) -> ResponseReturnValue:
        return files.beside_page(_FOLDER, name)
