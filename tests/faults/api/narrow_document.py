"""The server's OpenAPI document for a narrow network, and pictures for those who send by it."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image

from tests.random_checkpoint import NARROW

WHOLE_UNITS = 4096  # what the document says; every AlexNet has as many
UNITS = NARROW.fully_connected[-1].units

_FILTERS = [
    "{}",
    '{"a": 1}',
    '{"a": {"gte": -1.5, "lt": 2}, "b": ["x", true]}',
    json.dumps({f"k{number}": "ÿ'\"\0" for number in range(8)}),
]
_HEADERS = {"#/components/parameters/X-Request-Id", "#/components/parameters/traceparent"}


def pictures() -> dict[str, bytes]:
    """One small picture of each format, by media type."""
    pixels = np.random.default_rng(5).integers(0, 256, (8, 12, 3), np.uint8)
    found = {}
    for name in ("jpeg", "png", "webp"):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, name)
        found[f"image/{name}"] = out.getvalue()
    return found


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` with the narrow network's number of units, and pictures to choose from.

    Text that looks like base64 is no picture: without a choice no good answer would be seen.
    """
    text = json.dumps(document)
    for numbers in ((WHOLE_UNITS, UNITS), (_base64_length(WHOLE_UNITS), _base64_length(UNITS))):
        text = text.replace(*(f'": {number}' for number in numbers))
    made: dict[str, Any] = json.loads(text)
    schemas = made["components"]["schemas"]
    looks_right = schemas["DataUrl"]
    schemas["DataUrl"] = {"anyOf": [{"enum": data_urls()}, looks_right]}
    # Nor is text a filter because it has the right length.
    made["components"]["parameters"]["where"]["schema"] = {"type": "string", "enum": _FILTERS}
    for path in made["paths"].values():
        if takes_nothing(path):
            path["parameters"] = []
    return made


def takes_nothing(path: dict[str, Any]) -> bool:
    """Whether all that can be sent to a path are the headers that every request may have.

    One place reads those before it is known what is asked for, so they are left to other paths:
    what is left of this one has a single case.
    """
    operations = [each for name, each in path.items() if name != "parameters"]
    return {one["$ref"] for one in path["parameters"]} <= _HEADERS and not any(
        each.keys() & {"parameters", "requestBody"} for each in operations
    )


def data_urls() -> list[str]:
    return [
        f"data:{kind};base64,{base64.b64encode(data).decode()}" for kind, data in pictures().items()
    ]


def _base64_length(units: int) -> int:
    return 4 * -(-4 * units // 3)  # RFC 4648, section 4: 4 characters for each 3 bytes begun
