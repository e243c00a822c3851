"""The server before a real Triton, and the pictures it is asked about."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from deploy.local_triton.running import RunningTriton
from PIL import Image

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from tests.photos import crops
from tests.running_server import running_server
from tests.triton.asking import Answer, in_process
from tests.waiting import WAIT_S


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


PICTURES = crops(12, seed=31)
PNGS = [png(pixels) for pixels in PICTURES]


def known(root: Path) -> Answer:
    """What the graphs in process say of PNGS."""
    return in_process(root, np.concatenate([views(decode(data), 1) for data in PNGS]))


def features(answer: httpx.Response) -> np.ndarray:
    return np.array([one["features"] for one in answer.json()["results"]], np.float32)


@dataclass(frozen=True)
class Front:
    root: Path
    triton: RunningTriton
    client: httpx.Client

    def ask(self, number: int) -> httpx.Response:
        return self.client.post("/features", content=PNGS[number])

    def is_ready(self) -> bool:
        return self.client.get("/readyz").status_code == 200

    def model(self) -> dict:
        return self.client.get("/model").json()


@contextmanager
def running_front(
    root: Path, triton: RunningTriton, index: Path, timeout_s: int
) -> Iterator[Front]:
    """A server of ``root`` that asks ``triton`` and waits ``timeout_s`` for it."""
    flags = ("--engine", f"triton://{triton.grpc}", "--request-timeout-s", str(timeout_s))
    with (
        running_server(root, index, *flags) as server,
        httpx.Client(base_url=server.url, timeout=WAIT_S) as client,
    ):
        yield Front(root, triton, client)
