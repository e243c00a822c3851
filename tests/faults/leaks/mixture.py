"""Requests of every kind, half of them malformed, in an order that a seed decides."""

from __future__ import annotations

import contextlib
import io
import json
import random
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.photos import crops
from tests.waiting import WAIT_S

IDS = 24  # few, so that the index does not grow
UNITS = 32  # fc7 of the narrow network

Request = tuple[str, str, dict[str, Any]]  # method, path, and what httpx is given beside


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


class Mixture:
    """Sends requests to one server; ``seen`` counts the statuses by whether they were malformed."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._dice = random.Random(seed)
        pixels = crops(8, seed=27)
        kinds = ("JPEG", "PNG", "WEBP")
        self._pictures = [encoded(one[:160, :200], kinds[n % 3]) for n, one in enumerate(pixels)]
        self.seen: Counter[tuple[bool, int]] = Counter()

    def fill(self, views: int) -> None:
        """One request that takes as many views through the network together."""
        files = [("image", self._picture())] * views
        answer = httpx.post(f"{self._url}/classify", files=files, timeout=WAIT_S, verify=False)
        assert answer.status_code == 200, answer.text

    def send(self, count: int) -> None:
        address = httpx.URL(self._url)
        with httpx.Client(base_url=self._url, timeout=WAIT_S, verify=False) as client:
            for number in range(count):
                is_bad = number % 2 == 1
                if is_bad and self._dice.random() < 0.1:
                    self._break_off(address.host, address.port)
                    continue
                choices = self._malformed() if is_bad else self._good()
                method, path, given = self._dice.choice(choices)()
                answer = client.request(method, path, **given)
                self.seen[is_bad, answer.status_code] += 1

    def _picture(self) -> bytes:
        return self._dice.choice(self._pictures)

    def _id(self) -> str:
        return f"p{self._dice.randrange(IDS)}"

    def _good(self) -> list[Callable[[], Request]]:
        form = {"label": "cat", "metadata": '{"n": 1}'}
        features = {"features": [0.5] * UNITS}
        npy = {"Accept": "application/x-npy"}
        return [
            lambda: ("POST", "/classify", {"content": self._picture()}),
            lambda: ("POST", "/classify?views=10", {"content": self._picture()}),
            lambda: ("POST", "/classify", {"files": [("image", self._picture())] * 3}),
            lambda: ("POST", "/features", {"content": self._picture()}),
            lambda: ("POST", "/features", {"content": self._picture(), "headers": npy}),
            lambda: ("PUT", f"/images/{self._id()}", {"content": self._picture()}),
            lambda: ("POST", "/images", self._store(form)),
            lambda: ("POST", "/search?k=5", {"content": self._picture()}),
            lambda: ("POST", "/search", {"json": features}),
            lambda: ("GET", f"/images/{self._id()}/similar", {}),
            lambda: ("GET", f"/images/{self._id()}/thumbnail", {}),
            lambda: ("GET", "/images?limit=10", {}),
            lambda: ("DELETE", f"/images/{self._id()}", {}),
            lambda: ("POST", "/images/delete", {"json": {"ids": [self._id()]}}),
            lambda: ("GET", "/model", {}),
            lambda: ("GET", "/", {}),
            lambda: ("GET", "/openapi.json", {}),
            lambda: ("GET", "/readyz", {}),
        ]

    def _store(self, form: dict[str, str]) -> dict[str, Any]:
        names = self._dice.sample(range(IDS), 2)
        files = [("image", self._picture()), ("image", self._cut())]  # one good, one bad
        return {"files": files, "data": form | {"id": [f"p{name}" for name in names]}}

    def _cut(self) -> bytes:
        picture = self._picture()
        return picture[: self._dice.randrange(len(picture) - 100)]

    def _garbled(self) -> bytes:
        picture = bytearray(self._picture())
        for _ in range(20):
            picture[self._dice.randrange(len(picture))] = self._dice.randrange(256)
        return bytes(picture)

    def _malformed(self) -> list[Callable[[], Request]]:
        noise = self._dice.randbytes(self._dice.randrange(5000))
        deep = {"content": "[" * 5000, "headers": {"Content-Type": "application/json"}}
        number = {"content": '{"features": [NaN]}', "headers": {"Content-Type": "application/json"}}
        edge = {"content": noise, "headers": {"Content-Type": "multipart/form-data"}}
        path = f"/{noise[:8].hex()}"
        return [
            lambda: ("POST", "/classify", {"content": self._cut()}),
            lambda: ("POST", "/classify", {"content": self._garbled()}),
            lambda: ("POST", "/features", {"content": noise}),
            lambda: ("POST", "/classify", {"content": b""}),
            lambda: ("POST", "/classify?top_k=0", {"content": self._picture()}),
            lambda: ("POST", "/features?views=3", {"content": self._picture()}),
            lambda: ("POST", "/classify", edge),
            lambda: ("POST", "/classify", {"files": {"photo": self._picture()}}),
            lambda: ("POST", "/search", deep),
            lambda: ("POST", "/search", number),
            lambda: ("POST", "/search", {"json": {"features": [1.0] * 7}}),
            lambda: ("PUT", "/images/..%2fx", {"content": self._picture()}),
            lambda: ("PUT", f"/images/{self._id()}", {"content": self._cut()}),
            lambda: ("POST", "/images/delete", {"json": {"ids": ["../x"]}}),
            lambda: ("GET", path, {}),
            lambda: ("PATCH", "/images", {}),
            lambda: ("GET", f"/images/{'x' * 200}", {}),
            lambda: ("GET", "/images?limit=x", {}),
            lambda: ("POST", "/images", {"data": {"metadata": json.dumps([1])}}),
        ]

    def _break_off(self, host: str, port: int) -> None:
        """What is no HTTP, or ends in the middle."""
        head = b"POST /classify HTTP/1.1\r\nHost: a\r\n"
        text = self._dice.choice(
            [
                self._dice.randbytes(200),
                b"GET / HTTP/9.9\r\n\r\n",
                head + b"Content-Length: 10000\r\n\r\nhalf",
                head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                head + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
                head[:20],
            ]
        )
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, port), timeout=WAIT_S) as raw,
        ):
            raw.sendall(text)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
