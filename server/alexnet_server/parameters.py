"""Query parameters and form fields, typed and bounded; an unknown one is refused."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from flask import Request
from werkzeug.exceptions import UnsupportedMediaType

from alexnet_server.errors import BadIdentifier, BadMetadata, BadParameter, BadRequest
from alexnet_server.index.where import Where, parse_where
from alexnet_server.settings import Limits

# "." and ".." would be resolved away in a URL's path (RFC 3986, section 5.2.4).
_IDENTIFIER = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_MAX_DEPTH = 32
_MAX_WHERE_BYTES = 4096
_MAX_COMMAS = 20_000  # twice the ids that one request may delete
_CONTROL = {"Cc", "Cs"}  # Unicode's control characters and lone surrogates


class Parameters:
    """Reads each parameter once; every method raises BadParameter on what it cannot use."""

    def __init__(self, given: Mapping[str, str], known: tuple[str, ...]) -> None:
        """Raises BadParameter on a name that is not among ``known``."""
        unknown = sorted(given.keys() - set(known))
        if unknown:
            offer = f"; known are {', '.join(known)}" if known else "; there are none here"
            raise BadParameter(f"unknown parameter {unknown[0][:64]!r}{offer}")
        self._given = given

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number in ``least..most``."""
        text = self._given.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise BadParameter(
                f"{name} must be a whole number from {least} to {most}, not {text[:64]!r}"
            )
        return int(text)

    def choice(self, name: str, default: int, choices: tuple[int, ...]) -> int:
        """One of a few whole numbers."""
        text = self._given.get(name, str(default))
        if text not in map(str, choices):
            offer = " or ".join(map(str, choices))
            raise BadParameter(f"{name} must be {offer}, not {text[:64]!r}")
        return int(text)

    def word(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of a few words."""
        text = self._given.get(name, default)
        if text not in choices:
            raise BadParameter(f"{name} must be {' or '.join(choices)}, not {text[:64]!r}")
        return text

    def truth(self, name: str, default: bool) -> bool:
        """``true`` or ``false``."""
        text = self._given.get(name, str(default).lower())
        if text not in ("true", "false"):
            raise BadParameter(f"{name} must be true or false, not {text[:64]!r}")
        return text == "true"

    def distance(self, name: str) -> float | None:
        """A finite number from 0 on, or None where it is not given."""
        text = self._given.get(name)
        if text is None:
            return None
        value = float(text) if _NUMBER.fullmatch(text) else math.inf
        if value == math.inf:
            raise BadParameter(f"{name} must be a number from 0 on, not {text[:64]!r}")
        return value

    def text(self, name: str) -> str | None:
        """Any text, or None where it is not given."""
        return self._given.get(name)

    def where(self) -> Where:
        """The filter that ``where``, as JSON, and ``label`` make together."""
        text, label = self._given.get("where"), self._given.get("label")
        if text is None:
            return Where(label)
        if len(text.encode("utf-8", "replace")) > _MAX_WHERE_BYTES:
            raise BadParameter(f"where is longer than {_MAX_WHERE_BYTES:,} bytes")
        try:
            return parse_where(_parsed(text), label)
        except (ValueError, RecursionError) as error:
            raise BadParameter(f"where: {error}") from error


def identifier(text: str) -> str:
    """A picture's id.  Raises BadIdentifier."""
    if not _IDENTIFIER.fullmatch(text):
        raise BadIdentifier("an id is 1 to 128 of the characters A-Z a-z 0-9 . _ - and not . or ..")
    return text


def label(text: str, limits: Limits) -> str:
    """A picture's label.  Raises BadMetadata."""
    if not 1 <= len(text) <= limits.max_label_characters:
        raise BadMetadata(
            f"a label has 1 to {limits.max_label_characters} characters, this one {len(text)}"
        )
    if any(unicodedata.category(character) in _CONTROL for character in text):
        raise BadMetadata("a label has no control characters and no lone surrogates")
    return text


def metadata(text: str, limits: Limits) -> dict[str, Any]:
    """A picture's metadata, a JSON object.  Raises BadMetadata."""
    size = len(text.encode())
    if size > limits.max_metadata_bytes:
        raise BadMetadata(f"metadata is {size} bytes; the limit is {limits.max_metadata_bytes}")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        # What cannot be written again as JSON text (1e999, half a surrogate pair) is refused too.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadMetadata(f"metadata is not JSON: {error}") from error
    if not _is_flat(value, _MAX_DEPTH):
        raise BadMetadata(f"metadata is nested deeper than {_MAX_DEPTH} levels")
    if not isinstance(value, dict):
        raise BadMetadata('metadata must be a JSON object, such as {"path": "a/b.jpg"}')
    return value


def _is_flat(value: Any, depth: int) -> bool:  # noqa: ANN401 (any JSON value)
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or (
        depth > 0 and all(_is_flat(one, depth - 1) for one in value)
    )


def json_body(request: Request, max_bytes: int) -> dict[str, Any]:
    """The body as a JSON object.

    Raises BadRequest, UnsupportedMediaType, or RequestEntityTooLarge above ``max_bytes``.
    """
    request.max_content_length = max_bytes
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("send the body with Content-Type: application/json")
    data = request.get_data()
    # While Python parses JSON no other thread runs: long text is quick, many values are not.
    if data.count(b",") > _MAX_COMMAS:
        raise BadRequest(f"the body has more than {_MAX_COMMAS:,} commas: send fewer values")
    try:
        body = _parsed(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _parsed(text: str | bytes) -> Any:  # noqa: ANN401 (any JSON value)
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once_each)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of a repeated key Python takes the last: half of a filter to delete by would be lost.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
