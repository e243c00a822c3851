"""Errors as application/problem+json (RFC 9457)."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, g, json
from werkzeug.exceptions import HTTPException

from alexnet_pixels.errors import PictureError
from alexnet_server.arrival import this_call
from alexnet_server.errors import RequestError, picture_status, picture_title
from alexnet_server.strict_json import StrictJson

_FLASK_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
}

_TOO_LARGE = (
    "the request is larger than a request may be in bytes, or has too many form parts or too much "
    "form text (docs/api.md, limits): send fewer pictures at a time"
)


def document(status: int, code: str, title: str, detail: str, request_id: str) -> dict[str, Any]:
    """A problem document; ``type`` is a URN made of the code."""
    return {
        "type": f"urn:alexnet:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }


def problem(status: int, code: str, title: str, detail: str) -> Response:
    """The answer of a request that failed."""
    body = document(status, code, title, detail, this_call().request_id)
    g.code = code
    return Response(json.dumps(body) + "\n", status, mimetype="application/problem+json")


def picture_problem(error: PictureError) -> Response:
    """The problem document of a request whose only picture is bad."""
    return problem(picture_status(error), error.code, picture_title(error), str(error))


def picture_error(error: PictureError) -> dict[str, str]:
    """A bad picture's place in a list of results."""
    return {"code": error.code, "title": picture_title(error), "detail": str(error)}


def register(app: Flask) -> None:
    """Give ``app`` its error handlers, and the JSON that it answers with."""
    app.json = StrictJson(app)

    @app.errorhandler(RequestError)
    def _refused(error: RequestError) -> Response:
        response = problem(error.status, error.code, error.title, str(error))
        if error.retry_after_s is not None:
            response.headers["Retry-After"] = str(error.retry_after_s)
        return response

    @app.errorhandler(PictureError)
    def _bad_picture(error: PictureError) -> Response:
        return picture_problem(error)

    @app.errorhandler(HTTPException)
    def _flask_refused(error: HTTPException) -> Response:
        status = error.code or 500
        code = _FLASK_CODES.get(status, "bad_request" if status < 500 else "internal_error")
        detail = _TOO_LARGE if status == 413 else error.description or error.name
        response = problem(status, code, error.name, detail)
        for name, value in error.get_headers():
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> Response:
        current_app.logger.error("request %s failed", this_call().request_id, exc_info=error)
        return problem(
            500, "internal_error", "Internal error", "the server failed; its log has the request id"
        )
