"""POST /v1/embeddings: pictures in, features out, in the shape that OpenAI's clients speak."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from alexnet_pixels.errors import PictureError
from alexnet_server import uploads
from alexnet_server.arrival import this_call
from alexnet_server.deployed import Deployed
from alexnet_server.engine import Values
from alexnet_server.errors import BadRequest, MissingPicture
from alexnet_server.parameters import Parameters, json_body
from alexnet_server.served import Served
from alexnet_server.sight import look
from alexnet_server.uploads import Upload

_FIELDS = ("input", "model", "encoding_format", "dimensions", "user")
_FORMATS = ("float", "base64")
# RFC 2397; the type is not looked at: what a picture is, its bytes say.
_DATA_URL = re.compile(r"data:[A-Za-z0-9!#$&^_.+/;=-]{0,128};base64,")
_SHOWN = 32  # characters of a refused input


def register(routes: Blueprint, served: Served) -> None:
    """Add the endpoint to ``routes``."""
    limits = served.settings.limits

    @routes.post("/v1/embeddings")
    def embeddings() -> ResponseReturnValue:
        Parameters(request.args, ())
        body = _known(json_body(request, limits.max_embeddings_bytes))
        given = _pictures(body.get("input"))
        uploads.take(this_call(), len(given), 1, limits)

        def work(deployed: Deployed) -> ResponseReturnValue:
            _require_dimensions(body, deployed.repository.feature_units)
            seen = look(served, deployed, this_call(), given, 1)
            for place, one in enumerate(seen):
                if isinstance(one, PictureError):  # the shape has no place for it
                    raise type(one)(f"input {place}: {one}")
            rows = [one.features for one in seen if not isinstance(one, PictureError)]
            return _answer(deployed, rows, body.get("encoding_format", "float"))

        return served.answer(this_call(), work)


def _known(body: dict[str, Any]) -> dict[str, Any]:
    """``body``, whose fields are known and, ``input`` and ``dimensions`` aside, well-typed."""
    unknown = sorted(body.keys() - set(_FIELDS))
    if unknown:
        raise BadRequest(f"field {unknown[0][:64]!r} is unknown; known are {', '.join(_FIELDS)}")
    for name in ("model", "user"):
        if not isinstance(body.get(name, ""), str):
            raise BadRequest(f"{name} must be text")
    if body.get("encoding_format", "float") not in _FORMATS:
        raise BadRequest(f"encoding_format must be {' or '.join(_FORMATS)}")
    return body


def _pictures(given: object) -> list[Upload]:
    """What ``input`` holds: a data URL, or a list of them."""
    urls = given if isinstance(given, list) else [given]
    if given is None or not urls:
        raise MissingPicture('"input" must be a data URL of a picture, or a list of them')
    return [Upload(None, _picture(place, url)) for place, url in enumerate(urls)]


def _picture(place: int, url: object) -> bytes:
    start = _DATA_URL.match(url) if isinstance(url, str) else None
    if start is None or not isinstance(url, str):
        came = repr(url[:_SHOWN]) if isinstance(url, str) else f"a {type(url).__name__}"
        raise BadRequest(
            f"input {place} must be a data URL (data:image/jpeg;base64,...), not {came}: it is a "
            "picture that is embedded, not text, and the server fetches nothing from anywhere"
        )
    try:
        return base64.b64decode(url[start.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"input {place} is not base64 (RFC 4648, section 4): {error}") from error


def _require_dimensions(body: dict[str, Any], units: int) -> None:
    wanted = body.get("dimensions", units)
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or wanted != units:
        raise BadRequest(f"dimensions must be {units}, as many as the model has, or left out")


def _answer(deployed: Deployed, rows: list[Values], encoding_format: str) -> dict[str, Any]:
    """``rows`` float32 [4096], in order."""
    encode = in_base64 if encoding_format == "base64" else _numbers
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": encode(row)}
            for place, row in enumerate(rows)
        ],
        "model": deployed.model()["name"],
        "usage": {"prompt_tokens": 0, "total_tokens": 0},  # there are no tokens in a picture
    }


def in_base64(row: Values) -> str:
    """float32 [4096] in base64 of little-endian float32, as OpenAI has it.

    A third of the bytes of numbers written out, and nothing of them is lost.
    """
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")


def _numbers(row: Values) -> list[float]:
    numbers: list[float] = row.tolist()
    return numbers
