"""What an answer to an internal fault may hold, and what it must."""

from __future__ import annotations

import json
import re
import socket

import pytest

# Paths, names of classes and functions, hosts, and the words of the parts below us.
_TELLTALE = re.compile(
    r"""/(srv|tmp|work|usr|home|root|etc|var|proc|dev|opt)\b
    | [\\/]\w+\.(py|onnx|sqlite|pbtxt|npz)\b
    | \b[A-Z][A-Za-z]+(Error|Exception|Warning|Fault|Interrupt)\b
    | Traceback | File\ " | line\ \d+,\ in | \ at\ 0x[0-9a-f]+
    | site-packages | alexnet_server | onnxruntime | apsw | sqlite3 | grpc | StatusCode
    | ensemble | gpu-node | 127\.0\.0\.1 | localhost""",
    re.VERBOSE | re.IGNORECASE,
)
_KEYS = {"type", "title", "status", "detail", "code", "request_id"}
SECRET = "/srv/models/alexnet@gpu-node-7:8001"


def require_discreet(status: int, body: bytes, *secrets: str) -> dict:
    """A problem document, strict JSON, that names no inside; returns it."""
    said = json.loads(body, parse_constant=pytest.fail)
    assert set(said) == _KEYS, said
    assert said["status"] == status
    assert re.fullmatch(r"[a-z_]+", said["code"])
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", said["request_id"])
    text = f"{said['title']} {said['detail']} {said['type']}"
    assert not _TELLTALE.search(text), f"{_TELLTALE.search(text)} in {text!r}"
    for secret in (SECRET, socket.gethostname(), *secrets):
        assert secret not in body.decode(), f"{secret} in {text!r}"
    return said
