"""A real server as its operator sees it: the port of the metrics, and the log line by line."""

from __future__ import annotations

import http.client
import io
import json
import random
import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.running_server import RunningServer, running_server
from tests.waiting import WAIT_S, wait_until

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True)
class Watched:
    """A server and a client of each of its ports."""

    server: RunningServer
    main: httpx.Client
    operator: httpx.Client

    def series(self) -> Series:
        """Every series of a scrape."""
        answer = self.operator.get("/metrics")
        assert answer.status_code == 200
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self.series()[name, tuple(sorted(labels.items()))]

    def log(self) -> str:
        """What was written after the plain text of the start."""
        return "".join(self.server.messages).partition("/classify\n")[2]

    def entries(self) -> list[dict[str, Any]]:
        """The log, of which every line must be strict JSON."""
        return [json.loads(line, parse_constant=pytest.fail) for line in self.log().splitlines()]

    def entry(self, request_id: str) -> dict[str, Any]:
        """The one line of a request."""
        found: list[dict[str, Any]] = []

        def is_written() -> bool:
            found[:] = [one for one in self.entries() if one.get("request_id") == request_id]
            return bool(found)

        wait_until(is_written)
        (entry,) = found
        return entry


@contextmanager
def watched(repository: Path, folder: Path, *flags: str) -> Iterator[Watched]:
    with running_server(
        repository, folder / "index.sqlite", "--metrics-port", "0", *flags
    ) as server:
        text = "".join(server.messages)
        url = re.search(r"^metrics +(http://\S+)/metrics$", text, re.MULTILINE)[1]
        with (
            httpx.Client(base_url=server.url, timeout=WAIT_S, verify=False) as main,
            httpx.Client(base_url=url, timeout=WAIT_S, verify=False) as operator,
        ):
            yield Watched(server, main, operator)


class Hostile:
    """Requests that try to get a word of theirs into the metrics or the log.

    ``MARK`` is in everything they make up.
    """

    MARK = "zqzq"

    def __init__(self, port: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)

    def word(self, length: int = 12) -> str:
        letters = string.ascii_letters + string.digits + "._-"
        return self.MARK + "".join(self._random.choices(letters, k=length))

    def send(self, method: str, path: str, key: str, body: bytes = b"") -> int:
        """The status of the answer."""
        headers = {
            "Authorization": f"Bearer {key}",
            "X-Odd": self.word(),
            "User-Agent": self.word(),
        }
        self._connection.request(method, path, body or None, headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.will_close:
            self._connection.close()
        return answer.status

    def every_kind(self, key: str) -> Iterator[tuple[str, str, str, bytes]]:
        """One of each kind of request there is: method, path, key, body."""
        paths = [
            f"/{self.word()}",
            f"/images/{self.word()}",
            f"/images/{self.word()}/similar",
            f"/images/{self.word()}/thumbnail",
            f"/images/{self.word()}/{self.word()}",
            f"/images?cursor={self.word()}",
            f"/images?label={self.word()}",
            f"/page/{self.word()}.js",
            f"/classify?{self.word()}=1",
            f"/search?label={self.word()}",
            f"/metrics?{self.word()}",
            f"/model?{self.word()}=1",
            "/images/%00%0d%0a" + self.word(),
        ]
        methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", self.word_method()]
        for path in paths:
            for method in methods:
                for one in (key, self.word(40)):
                    body = b"" if method in ("GET", "HEAD", "DELETE") else self.word().encode()
                    yield method, path, one, body

    def word_method(self) -> str:
        """A method that nobody knows."""
        return "ZQ" + "".join(self._random.choices(string.ascii_uppercase, k=8))

    def close(self) -> None:
        self._connection.close()


def jpeg(seed: int, size: int = 300) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()
