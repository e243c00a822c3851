"""What every answer of the server is, whatever was asked."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

QUICK_S = 0.1
TRIES = 20


def strict(answer: httpx.Response) -> dict:
    """The body as JSON; Python's own NaN and Infinity are none (RFC 8259, section 6)."""
    return json.loads(answer.content, parse_constant=pytest.fail)


def code_of(answer: httpx.Response) -> str:
    """The code of a refusal, which is a whole problem document (RFC 9457)."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = strict(answer)
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:alexnet:problem:{body['code']}"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    return body["code"]


def quickly(client: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    """The answer, which takes less than ``QUICK_S`` unless the machine is busy each time."""
    request = client.build_request(method, path, **arguments)
    request.read()  # a form of 1,001 parts takes its time to write
    took_s = []
    for _ in range(TRIES):
        began = time.monotonic()
        answer = client.send(request)
        took_s.append(time.monotonic() - began)
        if took_s[-1] < QUICK_S:
            return answer
    pytest.fail(f"{answer.status_code} took {min(took_s):.3f} s at best")
