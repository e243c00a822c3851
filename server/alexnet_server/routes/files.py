"""The few files that browsers load: a page, and what lies beside it in its folder."""

from __future__ import annotations

from pathlib import Path

from flask import Response, send_from_directory
from werkzeug.exceptions import NotFound

from alexnet_server.errors import BadRequest

_SUFFIXES = (".css", ".js", ".svg", ".jpg")
# A page loads nothing from elsewhere and runs no script but its own files.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(folder: Path) -> Response:
    """The ``index.html`` of ``folder``.  Raises BadRequest on an impossible date header."""
    response = _send(folder, "index.html")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def beside_page(folder: Path, name: str) -> Response:
    """A style, script or picture that lies right in ``folder``.  Raises NotFound on any other."""
    if not name.endswith(_SUFFIXES):
        raise NotFound
    return _send(folder, name)


def _send(folder: Path, name: str) -> Response:
    try:
        return send_from_directory(folder, name)
    except OverflowError as error:  # Werkzeug's, on a date header past the year 9999
        raise BadRequest("a date in the headers is none") from error
