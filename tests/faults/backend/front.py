"""A server, the fake Triton behind it, and what the two should answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from tests.fakes.running_triton import RunningFake
from tests.fakes.triton_v2 import answers
from tests.fakes.wire import Wire
from tests.random_checkpoint import CLASSES
from tests.running_server import RunningServer, running_server
from tests.waiting import WAIT_S

UNITS = 32  # fc7 of the narrow network
TIMEOUT_S = 1.0


@dataclass
class Front:
    """A server, the fake Triton behind it, and the wire between the two."""

    fake: RunningFake
    wire: Wire
    server: RunningServer
    client: httpx.Client

    def ask(self, picture: bytes, path: str = "/features") -> httpx.Response:
        named = {"X-Request-Id": "test"}  # one made of random digits could hold a port
        return self.client.post(path, content=picture, headers=named)

    def is_ready(self) -> bool:
        return self.client.get("/readyz").status_code == 200

    def log(self) -> str:
        return "".join(self.server.messages)


def connected(url: str) -> httpx.Client:
    """A client without the certificates, which would take longer to read than the requests."""
    return httpx.Client(base_url=url, timeout=WAIT_S, verify=False)


@contextmanager
def front(
    repository: Path,
    folder: Path,
    timeout_s: float = TIMEOUT_S,
    is_up: bool = True,
    max_requests: int = 64,
) -> Iterator[Front]:
    fake = RunningFake(repository)
    fake.start()
    wire = Wire(fake.port)
    if not is_up:
        fake.kill()
    flags = ("--engine", f"triton://127.0.0.1:{wire.port}", "--max-requests", str(max_requests))
    index = folder / "index.sqlite"
    try:
        with (
            running_server(
                repository, index, *flags, "--request-timeout-s", str(timeout_s)
            ) as server,
            connected(server.url) as client,
        ):
            yield Front(fake, wire, server, client)
    finally:
        wire.close()
        fake.kill()


def expected(picture: bytes) -> np.ndarray:
    (view,) = views(decode(picture), 1)
    return answers(view, UNITS, len(CLASSES))[0]


def features(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["results"][0]["features"], np.float32)


def strict(answer: httpx.Response) -> dict:
    return json.loads(answer.content, parse_constant=pytest.fail)
