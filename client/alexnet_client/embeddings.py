"""POST /v1/embeddings: the features in the shape that OpenAI's clients speak."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_client import exchange
from alexnet_client.errors import BadPicture
from alexnet_client.picture import MAX_REQUEST_VIEWS, Picture, Upload, several, uploads_of
from alexnet_client.results import FEATURES, Features, from_base64
from alexnet_client.steps import Steps, block, read, send

# The server takes 16 MiB of JSON, and base64 makes four bytes of three.
MAX_BYTES = 11 * 2**20
_PLACE = re.compile(r"input (\d+)\b")


def rows(pictures: Picture | Iterable[Picture]) -> Steps[NDArray[np.float32]]:
    """Return the features of the pictures, float32 [n, 4096].

    Raises:
        BadPicture: one of them cannot be used.
    """
    each = yield from exchange.each(
        uploads_of(several(pictures)),
        MAX_REQUEST_VIEWS,
        Features,
        _ask,
        max_bytes=MAX_BYTES,
        is_strict=True,
    )
    return np.array([one.vector for one in each], np.float32).reshape(len(each), FEATURES)


def _ask(uploads: list[Upload]) -> Steps[list[Features]]:
    body = yield from block(lambda: _body(uploads))
    headers = {"content-type": "application/json"}
    try:
        reply = yield from send("POST", "/v1/embeddings", content=body, headers=headers)
    except BadPicture as error:
        error.filename = _named(error, uploads)
        raise
    vectors = yield from read(reply, lambda answer: _vectors(answer, len(uploads)))
    return [
        Features(upload.filename, vector=vector)
        for upload, vector in zip(uploads, vectors, strict=True)
    ]


def _body(uploads: list[Upload]) -> bytes:
    urls = [_data_url(upload) for upload in uploads]
    wanted = {"model": "alexnet", "input": urls, "encoding_format": "base64"}
    return json.dumps(wanted).encode("ascii")


def _data_url(upload: Upload) -> str:
    content = base64.b64encode(upload.content).decode("ascii")
    return f"data:application/octet-stream;base64,{content}"  # RFC 2397


def _named(error: BadPicture, uploads: list[Upload]) -> str | None:
    """The picture that the error is about: the answer has no place for it but the text."""
    found = _PLACE.match(error.detail)
    place = int(found[1]) if found else len(uploads)
    return uploads[place].filename if place < len(uploads) else None


def _vectors(answer: Mapping[str, Any], pictures: int) -> list[NDArray[np.float32]]:
    """Read ``data``, each with its ``index`` and 4096 little-endian float32 in base64."""
    entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
    if [entry["index"] for entry in entries] != list(range(pictures)):
        raise ValueError(f"{len(entries)} embeddings where {pictures} were due")
    return [from_base64(entry["embedding"]) for entry in entries]
