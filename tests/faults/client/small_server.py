"""A small server that talks like ours, on a real socket, and can be told to misbehave.

The features and labels of a picture are made from its bytes, so whoever has the picture knows what
its line and its row must be. What the server must do for real is tested on the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from werkzeug.serving import WSGIRequestHandler, make_server

FEATURES = 4096
CLASSES = 10


def predicted(content: bytes) -> dict[str, Any]:
    """The likeliest label of a picture."""
    first = hashlib.sha256(content).digest()[0]
    class_id = first % CLASSES
    return {"label": f"class{class_id}", "class_id": class_id, "probability": 0.5 + first / 512}


def features_of(content: bytes) -> np.ndarray:
    """float32 [4096], no two pictures' alike."""
    seed = int.from_bytes(hashlib.sha256(content).digest()[:8])
    return np.random.default_rng(seed).random(FEATURES, np.float32)


class SmallServer:
    """Its switches may be turned while it serves.

    Attributes:
        shed: the share of requests refused with 503, at random.
        delay_s: how long a request takes.
        digest: of the model.
        key: what must be sent as the bearer, or None.
        poison: a picture that the server fails at, and all those beside it in a request.
        model_after: after so many answers, another digest.
        seen: how often each picture was asked for labels, refused requests too.
        answered: how often each picture was answered with labels.
    """

    def __init__(self) -> None:
        self.shed, self.delay_s = 0.0, 0.0
        self.digest = "a" * 64
        self.key: str | None = None
        self.poison: bytes | None = None
        self.seen: Counter[bytes] = Counter()
        self.answered: Counter[bytes] = Counter()
        self.model_after: tuple[int, str] | None = None
        self._random = random.Random(7)
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self.port = 0

    def release(self) -> None:
        """Let all requests go that are delayed, and delay none any more."""
        self._pause.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        status, kind, body, more = self._answer(environ)
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *more])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, str, bytes, list[tuple[str, str]]]:
        if self.key and environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.key}":
            return _problem("401 Unauthorized", "key_missing")
        path = environ["PATH_INFO"]
        model = {"name": "small", "version": "1", "digest": self.digest}
        if path == "/model":
            card = {"dialect": "d", "layout": "l", "precision": "fp32", "classes": ["x"]}
            return _json(model | card)
        length = int(environ["CONTENT_LENGTH"])
        contents = _pictures(environ["CONTENT_TYPE"], environ["wsgi.input"].read(length))
        with self._lock:
            self.seen.update(contents)
            is_shed = self._random.random() < self.shed
        if self.delay_s:
            self._pause.wait(self.delay_s)
        if is_shed:
            return _problem("503 Service Unavailable", "overloaded", [("Retry-After", "0")])
        if self.poison in contents:
            return _problem("500 Internal Server Error", "internal_error")
        with self._lock:
            self.answered.update(contents)
            if self.model_after is not None and self.answered.total() > self.model_after[0]:
                self.digest = self.model_after[1]
        results = [{"filename": "x", "predictions": [predicted(one)]} for one in contents]
        if "features=base64" in environ["QUERY_STRING"]:
            for result, content in zip(results, contents, strict=True):
                row = features_of(content).astype("<f4").tobytes()
                result["features"] = base64.b64encode(row).decode()
        return _json({"model": model, "results": results})


def _json(document: dict[str, Any]) -> tuple[str, str, bytes, list[tuple[str, str]]]:
    return "200 OK", "application/json", json.dumps(document).encode(), []


def _problem(
    status: str, code: str, headers: list[tuple[str, str]] | None = None
) -> tuple[str, str, bytes, list[tuple[str, str]]]:
    body = json.dumps({"title": code, "code": code, "detail": code}).encode()
    return status, "application/problem+json", body, headers or []


def _pictures(content_type: str, body: bytes) -> list[bytes]:
    boundary = re.search(r"boundary=(\S+)", content_type)[1].encode()
    parts = body.split(b"--" + boundary)[1:-1]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


@contextmanager
def listening(app: SmallServer, port: int = 0) -> Iterator[SmallServer]:
    """Serve until the block ends; on the same ``port`` again, it is back where it was."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    app.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
